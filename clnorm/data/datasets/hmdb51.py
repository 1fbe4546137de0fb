"""Reader of HMDB51 and of everything laid out like it: class folders of clips with official split files.

Kuehne, Jhuang, Garrote, Poggio, Serre: HMDB: a large video database for human motion recognition, ICCV 2011. Each of
its three splits has 70 training and 30 test clips a class, and no source of a class in both.
"""

import re
from pathlib import Path

import pandas as pd

from clnorm.data.datasets.layout import (
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
from clnorm.data.datasets.splits import add_unused, induce_long_tail
from clnorm.data.table import ClipTable
from clnorm.errors import UserError

_NAME = "hmdb51"
SPLITS = (1, 2, 3)
LIST_FOLDERS = (
    "",
    "splits",
    "testTrainMulti_7030_splits",
    "test_train_splits",
    "test_train_splits/testTrainMulti_7030_splits",
)
RESERVED = frozenset(folder.partition("/")[0] for folder in LIST_FOLDERS)
_FLAGS = {"0": "unused", "1": "train", "2": "test"}
_LINE = re.compile(r"^(?P<name>\S.*?)\s+(?P<flag>[012])$")
_TAGS = re.compile(
    r"_(?P<visible>[^_]+)_(?P<camera>cm|nm)_np(?P<people>\d+)_(?P<view>[^_]+)_(?P<quality>[^_]+)_\d+\.\w+$"
)


def read(
    root: Path | None,
    *,
    split: int = 1,
    train_plus: bool = False,
    imbalance: float = 1.0,
    tail_seed: int = 0,
    progress: object = None,
) -> ClipTable:
    """The clips below `root`, with the official split `split`.

    Class folders lie in `root/videos` where that exists, else in `root`; those present, in alphabetical order, are the
    classes. Split files `<class>_test_split<k>.txt` lie in `root` or one of `LIST_FOLDERS` below it; the first of
    them that holds any is used. Lines read `name.avi 1` (1 train, 2 test, 0 unused). Every clip must be listed, and
    every listed clip must be there; a name not found is looked up once more as mirrors write it, see `match_clips`:
    with `@` for `#` and `&`, and in another container. The column `listed` holds the name in the split file. The clip's
    source (its group) and tags (visible, camera, people, view, quality) come from it,
    `<source>_<class>_<visible>_<cm|nm>_np<people>_<view>_<quality>_<number>.avi`. No video is opened,
    so `progress`, which every reader is given, hears of nothing.

    Args:
        split: 1, 2 or 3.
        train_plus: train on the unused clips too, but for those of a class and source that a test clip comes from.
        imbalance: largest over smallest class in training, see `induce_long_tail`; 1 leaves classes as they are.
        tail_seed: draws which classes become small, and which clips they keep.

    Raises:
        UserError: a folder, split file or clip is missing, superfluous, listed twice or wrongly named, or an option is
            out of its range.
    """
    root = require_root(root, _NAME)
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}", where=_NAME, legal="1, 2, 3")
    videos, folders = list_class_folders(root)
    splits = find_split_folder(root, split)
    rows: list[dict[str, object]] = []
    for label, folder in enumerate(folders):
        sizes = list_clips(videos / folder, dataset="hmdb51")
        flags = read_split(splits, folder, split)
        for clip, file in sorted(require_match(flags, sizes, where=videos / folder, lists="split file").items()):
            path = (videos / folder / file).relative_to(root).as_posix()
            row = {"path": path, "label": label, "split": flags[clip], "bytes": sizes[file], LISTED: clip}
            rows.append(row | _parse_name(clip, folder, where=videos / folder))
    frame = pd.DataFrame(rows)[["path", "label", "split", "group", "bytes", LISTED, *_TAGS.groupindex]]
    if train_plus:
        frame["split"] = add_unused(frame)
    frame["split"] = induce_long_tail(frame, imbalance=imbalance, seed=tail_seed, where=_NAME)
    return ClipTable(_NAME, root, tuple(folders), frame)


def list_class_folders(root: Path) -> tuple[Path, list[str]]:
    """The folder of the class folders, and their names in alphabetical order.

    Raises:
        UserError: there is none, or they are a split of somebody else's.
    """
    videos = find_videos(root)
    refuse_own_splits(list_folders(videos) - RESERVED, dataset="hmdb51", where=str(videos))
    return videos, list_classes(videos, reserved=RESERVED if videos == root else (), example="brush_hair")


def find_split_folder(root: Path, split: int) -> Path:
    """The first of `LIST_FOLDERS` that holds a split file of this split."""
    suffix = f"_test_split{split}.txt"
    for folder in LIST_FOLDERS:
        if (root / folder).is_dir() and any(entry.name.endswith(suffix) for entry in entries(root / folder)):
            return root / folder
    raise UserError(
        f"there is no split file <class>{suffix}",
        where=str(root),
        legal=f"in this folder, {', '.join(folder + '/' for folder in LIST_FOLDERS[1:])}",
        hint="unpack the archive test_train_splits.rar of HMDB51 here, or see: clnorm data prepare --help",
    )


def read_lists(root: Path, split: int) -> dict[str, dict[str, str]]:
    """Class -> clip name -> "train", "test" or "unused", of every class with a split file."""
    splits, suffix = find_split_folder(root, split), f"_test_split{split}.txt"
    folders = sorted(e.name.removesuffix(suffix) for e in entries(splits) if e.name.endswith(suffix))
    return {folder: read_split(splits, folder, split) for folder in folders}


def read_split(splits: Path, folder: str, split: int) -> dict[str, str]:
    """Clip name -> "train", "test" or "unused" of one class, in the file's order."""
    path = splits / f"{folder}_test_split{split}.txt"
    hint = "add it, or move the class folder away"
    flags: dict[str, str] = {}
    for number, line in read_lines(path, what="split file", missing=hint):
        match = _LINE.match(line)
        if match is None:
            legal = "'name.avi 1', with 1 train, 2 test, 0 unused"
            raise UserError(f"cannot read {line!r}", where=f"{path}:{number}", legal=legal)
        if match["name"] in flags:
            raise UserError(f"{match['name']!r} is listed twice", where=f"{path}:{number}")
        flags[match["name"]] = _FLAGS[match["flag"]]
    return flags


def parse_group(clip: str, folder: str, *, where: Path) -> str:
    """The source of a clip, from its name."""
    return str(_parse_name(clip, folder, where=where)["group"])


def _parse_name(clip: str, folder: str, *, where: Path) -> dict[str, object]:
    tags = _TAGS.search(clip)
    source = clip[: tags.start()].removesuffix(f"_{folder}") if tags else ""
    if tags is None or not source or len(source) == tags.start():
        raise UserError(
            f"cannot read the source from the name {clip!r}",
            where=str(where),
            legal=f"<source>_{folder}_<visible>_<cm|nm>_np<people>_<view>_<quality>_<number>.avi",
        )
    return {"group": source, **tags.groupdict(), "people": int(tags["people"])}
