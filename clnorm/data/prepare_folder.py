"""Prepare any folder of videos: read it as a run would, and write down what was read as `clips.csv`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.data.archive import list_folder
from clnorm.data.clip_list import INDEX, write_clip_list
from clnorm.data.folder import is_video, read
from clnorm.data.layout import few_clips
from clnorm.errors import UserError

if TYPE_CHECKING:
    from clnorm.progress import Reporter


def prepare_folder(root: Path, *, reporter: "Reporter", **options: Any) -> None:
    """Write `root/clips.csv` with every clip's path, label, split, group and size; one that is there stays.

    The split that the options cut is written too, so that every run has the same.

    Raises:
        UserError: the folder cannot be read as the dataset `folder`, or an option is for runs only.
        ClnormError: the list cannot be written.
    """
    if options["imbalance"] != 1:
        raise UserError("imbalance is chosen for a run, not for a folder", where="folder", hint="leave it out here")
    listed = (root / INDEX).is_file()
    table = read(root, **options)
    if others := [str(member.path) for member in list_folder(root) if not is_video(member.path.name)]:
        others = [path for path in others if path != INDEX]
        if others:
            reporter.note(f"no videos by their suffix, and left out: {few_clips(others).replace('clip', 'file')}")
    if listed:
        reporter.note(f"{root / INDEX} is there already and was checked; delete it to list the folder anew.")
        return
    frame = table.frame.assign(label=[table.classes[label] for label in table.labels])
    write_clip_list(root, frame)
