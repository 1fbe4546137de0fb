"""Whether the clips of sources are those that the lists name, asked before one of them is written."""

from collections.abc import Mapping, Sequence

from clnorm.data.datasets.layout import few_clips
from clnorm.data.datasets.match import Match, match_clips
from clnorm.data.prepare.archive import Member
from clnorm.errors import UserError


def require_fit(classes: Mapping[str, Sequence[Member]], listed: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse classes whose clips are others than their lists name, all of them in one message.

    Args:
        classes: of each class, which the lists name, the clips of the sources.
        listed: class -> listed clip -> its use.

    Raises:
        UserError: a clip is missing, superfluous, or there in two containers.
    """
    found = {label: match_clips(listed[label], {clip.path.name for clip in own}) for label, own in classes.items()}
    for label, match in found.items():
        if match.double:
            source = next(clip.source for clip in classes[label] if clip.path.name == match.double[0])
            what = f"{few_clips(match.double)} of one name but for the suffix"
            raise UserError(what, where=f"{source}: {label}", hint="keep one file of each, and move the others away")
    wrong = {label: said for label, match in found.items() if (said := _describe(match))}
    if wrong:
        count = f"{len(wrong)} class{'es' * (len(wrong) > 1)} of {len(classes)}"
        shown = "; ".join(f"{label}: {said}" for label, said in list(wrong.items())[:3])
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        sources = sorted({clip.source for label in wrong for clip in classes[label]})
        hint = (
            "nothing of them was written; give the lists that belong to these clips, or the clips that these lists name"
        )
        what = f"the clips and the lists do not fit in {count}: {shown}{more}"
        raise UserError(what, where=", ".join(sources), hint=hint)


def _describe(match: Match) -> str:
    """What a class lacks, and what it has too much of; nothing where it fits its lists."""
    wrong = {"in the lists but not in the sources": match.absent, "in the sources but not in the lists": match.extra}
    said = [
        f"{len(clips)} clip{'s' * (len(clips) > 1)} {where} (such as {clips[0]!r})"
        for where, clips in wrong.items()
        if clips
    ]
    return ", ".join(said)
