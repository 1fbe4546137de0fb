"""Reader of UCF101: class folders of `v_<Class>_g<group>_c<clip>.avi`, with the official lists.

Soomro, Zamir, Shah: UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild, CRCV-TR-12-01, 2012. The
clips of a group were cut from one video, and its three splits keep groups whole.
"""

import re
from pathlib import Path

import pandas as pd

from clnorm.data.datasets.layout import (
    VIDEOS,
    entries,
    find_videos,
    list_classes,
    list_clips,
    list_folders,
    read_lines,
    refuse_own_splits,
    require_root,
)
from clnorm.data.datasets.match import LISTED, require_match
from clnorm.data.datasets.splits import induce_long_tail
from clnorm.data.table import ClipTable
from clnorm.errors import UserError

SPLITS = (1, 2, 3)
VIDEO_FOLDERS = (VIDEOS, "UCF-101")
LIST_FOLDERS = ("", "splits", "ucfTrainTestlist", "UCF101TrainTestSplits-RecognitionTask/ucfTrainTestlist")
RESERVED = frozenset(folder.partition("/")[0] for folder in LIST_FOLDERS)
_CLIP = re.compile(r"^v_(?P<label>\w+)_g(?P<group>\d+)_c\d+\.\w+$", re.ASCII)
_LINE = re.compile(r"^(?P<folder>[^/\s]+)/(?P<clip>\S+)(?:\s+\d+)?$")
_CLASS = re.compile(r"^(?P<number>\d+)\s+(?P<folder>\S+)$")


def read(
    root: Path | None,
    *,
    split: int = 1,
    imbalance: float = 1.0,
    tail_seed: int = 0,
    progress: object = None,
) -> ClipTable:
    """The clips below `root`, with the official split `split`.

    Class folders lie in the first of `VIDEO_FOLDERS` that exists, else in `root`; the lists `classInd.txt`,
    `trainlist0<k>.txt` and `testlist0<k>.txt` in the first of `LIST_FOLDERS` that holds the training list. The classes
    are the folders present, in the order of classInd.txt. Every clip of them must stand in one of the two lists, and
    every clip of the lists must be there, in any container, see `match_clips`; the column `listed` holds the name in
    the list. A clip's group is `<Class>_g<group>`, because groups are counted in each class anew. No video is opened,
    so `progress`, which every reader is given, hears of nothing.

    Args:
        split: 1, 2 or 3.
        imbalance: largest over smallest class in training, see `induce_long_tail`; 1 leaves classes as they are.
        tail_seed: draws which classes become small, and which clips they keep.

    Raises:
        UserError: a folder, list or clip is missing, superfluous, listed twice or wrongly named, or an option is out
            of its range.
    """
    root = require_root(root, "ucf101")
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}", where="ucf101", legal="1, 2, 3")
    videos, folders = list_class_folders(root)
    listed = read_lists(root, split)
    classes = order_classes(folders, find_list_folder(root, split))
    rows: list[dict[str, object]] = []
    for label, folder in enumerate(classes):
        sizes = list_clips(videos / folder, dataset="ucf101")
        flags = listed.get(folder, {})
        for clip, file in sorted(require_match(flags, sizes, where=videos / folder, lists="list").items()):
            path = (videos / folder / file).relative_to(root).as_posix()
            group = parse_group(clip, folder, where=videos / folder)
            row = {"path": path, "label": label, "split": flags[clip], "group": group, "bytes": sizes[file]}
            rows.append({**row, LISTED: clip})
    frame = pd.DataFrame(rows)
    frame["split"] = induce_long_tail(frame, imbalance=imbalance, seed=tail_seed, where="ucf101")
    return ClipTable("ucf101", root, tuple(classes), frame)


def list_class_folders(root: Path) -> tuple[Path, list[str]]:
    """The folder of the class folders, and their names in alphabetical order.

    Raises:
        UserError: there is none, or they are a split of somebody else's.
    """
    videos = find_videos(root, names=VIDEO_FOLDERS)
    refuse_own_splits(list_folders(videos) - RESERVED, dataset="ucf101", where=str(videos))
    return videos, list_classes(videos, reserved=RESERVED if videos == root else (), example="ApplyEyeMakeup")


def find_list_folder(root: Path, split: int) -> Path:
    """The first of `LIST_FOLDERS` that holds the training list of this split."""
    name = f"trainlist{split:02}.txt"
    for folder in LIST_FOLDERS:
        if (root / folder).is_dir() and any(entry.name == name for entry in entries(root / folder)):
            return root / folder
    raise UserError(
        f"there is no list {name}",
        where=str(root),
        legal=f"in this folder, {', '.join(folder + '/' for folder in LIST_FOLDERS[1:])}",
        hint="unpack UCF101TrainTestSplits-RecognitionTask.zip here, or see: clnorm data prepare --help; without the "
        "lists, --dataset folder:group=prefix makes splits that keep sources whole",
    )


def read_lists(root: Path, split: int) -> dict[str, dict[str, str]]:
    """Class -> clip name -> "train" or "test", in the order of the lists."""
    lists = find_list_folder(root, split)
    listed: dict[str, dict[str, str]] = {}
    for role in ("train", "test"):
        path = lists / f"{role}list{split:02}.txt"
        for number, line in read_lines(path, what="list", missing="unpack the lists of UCF101 again"):
            match = _LINE.match(line)
            if match is None:
                raise UserError(f"cannot read {line!r}", where=f"{path}:{number}", legal="'Class/v_Class_g01_c01.avi'")
            clips = listed.setdefault(match["folder"], {})
            if match["clip"] in clips:
                raise UserError(f"{match['clip']!r} is listed twice", where=f"{path}:{number}")
            clips[match["clip"]] = role
    return listed


def order_classes(folders: list[str], lists: Path) -> list[str]:
    """The class folders in the order of `classInd.txt`, which must name each of them."""
    path = lists / "classInd.txt"
    ranks: dict[str, int] = {}
    for number, line in read_lines(path, what="list", missing="unpack the lists of UCF101 again"):
        match = _CLASS.match(line)
        if match is None or match["folder"] in ranks:
            what = f"cannot read {line!r}" if match is None else f"{match['folder']!r} is listed twice"
            raise UserError(what, where=f"{path}:{number}", legal="'1 ApplyEyeMakeup', each class once")
        ranks[match["folder"]] = int(match["number"])
    for folder in folders:
        if folder not in ranks:
            hint = "move the folder away, or mend its name"
            raise UserError(f"{folder!r} is no class of UCF101", where=str(path), legal=ranks, given=folder, hint=hint)
    return sorted(folders, key=ranks.__getitem__)


def parse_group(clip: str, folder: str, *, where: Path) -> str:
    """`<Class>_g<group>`, from a clip's name, which may write the class in other cases, as HandstandPushups does."""
    match = _CLIP.match(clip)
    if match is None or match["label"].lower() != folder.lower():
        raise UserError(
            f"cannot read the group from the name {clip!r}", where=str(where), legal=f"v_{folder}_g<group>_c<clip>.avi"
        )
    return f"{folder}_g{match['group']}"
