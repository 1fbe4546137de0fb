"""Prepare any folder of videos: read it as a run would, and write down what was read as `clips.csv`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from clnorm.data.datasets.clip_list import INDEX, write_clip_list
from clnorm.data.datasets.folder import read
from clnorm.data.datasets.layout import few_clips, is_video
from clnorm.data.datasets.sources import describe_sources, recognize
from clnorm.data.prepare.archive import list_folder
from clnorm.data.table import ClipTable
from clnorm.errors import UserError

if TYPE_CHECKING:
    from clnorm.progress import Reporter


def prepare_folder(root: Path, *, reporter: "Reporter", **options: Any) -> ClipTable:
    """Write `root/clips.csv` with every clip's path, label, split, group and size; one that is there stays.

    The split that the options cut is written too, so that every run has the same. What tells the sources is said, or
    that nothing does.

    Returns:
        The table, as every run will read it.

    Raises:
        UserError: the folder cannot be read as the dataset `folder`, an option is for runs only, or a list that is
            there lacks videos of the folder.
        ClnormError: the list cannot be written.
    """
    if options["imbalance"] != 1:
        raise UserError("imbalance is chosen for a run, not for a folder", where="folder", hint="leave it out here")
    listed = (root / INDEX).is_file()
    table = read(root, **options)
    if listed and (new := find_unlisted(root, table)):
        hint = f"add a line for each; or delete {INDEX} and give the same command again, which cuts the split anew"
        raise UserError(f"{few_clips(new)} on disk but not in {INDEX}", where=str(root), hint=hint)
    if others := describe_others(root):
        reporter.note(others)
    labels = pd.Series([table.classes[label] for label in table.labels])
    if listed:
        reporter.note(f"{root / INDEX} is there already and was checked; delete it to list the folder anew.")
    else:
        if options["group"] == "auto" and (written := recognize(table.frame["path"], labels)):
            reporter.note(f"sources are read from the names, which are written as those of {written}")
        write_clip_list(root, table.frame.assign(label=labels))
    if unknown := describe_sources(table):
        reporter.note(f"{unknown}; to change that, delete {root / INDEX} and prepare the folder anew")
    return table


def describe_others(root: Path) -> str:
    """What to say of files below `root` that are no videos; nothing where there are none."""
    others = [str(m.path) for m in list_folder(root) if not is_video(m.path.name) and str(m.path) != INDEX]
    return f"no videos by their suffix, and left out: {few_clips(others, 'file')}" if others else ""


def find_unlisted(root: Path, table: ClipTable) -> list[str]:
    """The videos below `root` that the table does not hold, sorted."""
    found = {str(member.path) for member in list_folder(root) if is_video(member.path.name)}
    return sorted(found - set(table.frame["path"]))
