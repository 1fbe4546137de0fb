"""The table of clips that a run leaves in its folder, and the comparison of another run's clips with it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.errors import UserError
from clnorm.results.folder import read_frame, write_frame

if TYPE_CHECKING:
    import pandas as pd

CLIPS_FILE = "clips.parquet"
"""The name of the table in a run's folder."""

_COLUMNS = ("path", "label", "class", "split", "group", "bytes")
_FAULTS = {"class": "of another class", "split": "in another split", "group": "of another source"}
_FAULTS |= {"bytes": "of another size", "label": "with another label", "id": "with another id"}


def write_clips(folder: Path, frame: "pd.DataFrame", classes: Sequence[str]) -> None:
    """Write `clips.parquet`: `id`, which predictions refer to, `path`, `label`, `class`, `split`, `group`, `bytes`.

    Args:
        folder: of the run.
        frame: the rows of the dataset's table, in the order of the ids.
        classes: the name of each label.
    """
    write_frame(folder / CLIPS_FILE, _describe(frame, classes))


def refuse_other_clips(file: Path, frame: "pd.DataFrame", classes: Sequence[str]) -> None:
    """Refuse clips that are not those of a table which `write_clips` wrote.

    Raises:
        UserError: they differ; it says in what, and names the first of them.
        ClnormError: the table is missing or damaged.
    """
    hint = "bring it back beside the configuration, or go by the clips that are there with: --set data.clips="
    wanted = read_frame(file, hint=hint)
    if faults := list(_differences(wanted, _describe(frame, classes))):
        raise UserError(
            f"the clips are not those of this table: {'; '.join(faults)}",
            where=str(file),
            hint="bring back the videos and lists that it was made of, or, to make a new run of the clips that are "
            "there, add --set data.clips=",
        )


def _describe(frame: "pd.DataFrame", classes: Sequence[str]) -> "pd.DataFrame":
    named = frame.assign(**{"class": [classes[label] for label in frame["label"]]})
    described = named[list(_COLUMNS)].reset_index(drop=True)
    described.insert(0, "id", range(len(described)))
    return described


def _differences(wanted: "pd.DataFrame", given: "pd.DataFrame") -> Iterator[str]:
    """What differs, in words, each with how many clips and the first of them."""
    if list(wanted.columns) != list(given.columns):
        yield f"its columns are {', '.join(map(str, wanted.columns))}, not {', '.join(given.columns)}"
        return
    if not wanted["path"].is_unique:
        yield "a path stands in it twice"
        return
    before, now = wanted.set_index("path"), given.set_index("path")
    for paths, fault in ((before.index.difference(now.index), "missing"), (now.index.difference(before.index), "new")):
        if len(paths):
            yield f"{len(paths)} {fault} ({paths[0]})"
    both = before.index.intersection(now.index)
    for column, fault in _FAULTS.items():
        was, got = before.loc[both, column], now.loc[both, column]
        changed = both[(was != got).to_numpy()]
        if len(changed):
            yield f"{len(changed)} {fault} ({changed[0]}: {got[changed[0]]}, was {was[changed[0]]})"
