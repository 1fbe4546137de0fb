"""What sources hold of classes that are finished: clips that came to them since are not passed over without a word."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from clnorm.data.datasets.layout import entries, few_clips
from clnorm.data.datasets.match import match_clips
from clnorm.errors import UserError


@dataclass(frozen=True)
class Surplus:
    """The clips of a class that the sources have and its folder has not.

    Args:
        listed: those that a list names, sorted.
        unlisted: the others, sorted.
    """

    listed: list[str]
    unlisted: list[str]


def is_complete(folder: Path, listed: Collection[str]) -> bool:
    """Whether a class's folder has every clip that the lists name."""
    return not match_clips(listed, _names(folder)).absent


def find_surplus(folder: Path, given: Collection[str], listed: Collection[str]) -> Surplus:
    """Compare the folder of a class with the names of the clips that the sources have, mirrors' names included."""
    here = _names(folder)
    old, new = match_clips(listed, here), match_clips(listed, given)
    return Surplus(
        sorted(file for clip, file in new.files.items() if clip not in old.files),
        sorted(set(new.extra) - here),
    )


def refuse_surplus(videos: Path, found: Mapping[str, Surplus]) -> str | None:
    """Refuse clips that a list names and that their class, which is finished, lacks.

    Returns:
        What is to be said of clips that no list names; None where there is none.

    Raises:
        UserError: there is such a clip; the classes are named.
    """
    if lacking := {label: surplus.listed for label, surplus in found.items() if surplus.listed}:
        what = "; ".join(f"the class {label!r} was finished without {few_clips(lacking[label])}" for label in lacking)
        folders = ", ".join(str(videos / label) for label in lacking)
        hint = f"remove {folders}, and give the same command again"
        raise UserError(f"{what}, which the sources have", where=str(videos), hint=hint)
    unlisted = [f"{label}/{clip}" for label, surplus in found.items() for clip in surplus.unlisted]
    if not unlisted:
        return None
    return f"of classes that were finished before, no list names {few_clips(unlisted)} of the sources: left out"


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in entries(folder)}
