"""Reader of any folder of videos: a CSV that lists them, or a folder a class."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from clnorm.catalogue.option import Value
from clnorm.data.datasets.clip_list import INDEX, read_clip_list, read_sizes
from clnorm.data.datasets.layout import (
    SUFFIXES,
    entries,
    find_videos,
    is_video,
    list_classes,
    list_folders,
    require_root,
)
from clnorm.data.datasets.sources import name_groups, recognize
from clnorm.data.datasets.splits import induce_long_tail, leaking_groups, split_by_group
from clnorm.data.table import COLUMNS, ClipTable
from clnorm.errors import UserError

TEST_SHARE = 0.3
"""Of each class, the share of clips for testing where the user gives neither a share nor a split."""

_SPLIT_FOLDERS = {"train", "test"}


def read(
    root: Path | None,
    *,
    group: str = "auto",
    test_share: float | str = "auto",
    split_seed: int | str = "auto",
    imbalance: float = 1.0,
    tail_seed: int = 0,
    progress: object = None,
) -> ClipTable:
    """The videos below `root`, as `clips.csv` in it lists them, or, where there is none, as its folders do.

    `clips.csv` has the columns `path` (relative to `root`) and `label` (the class), and may have `split` (train, test
    or unused), `group` (the source that a clip was cut from) and `bytes` (the file's size, which must be right).
    Without it, class folders lie in `root/videos` where that exists, else in `root`, and hold the videos, in folders
    of their own if you like; where they are `train` and `test`, these hold the class folders and are the split. Files
    without a suffix of `SUFFIXES` are no videos. The classes are in alphabetical order.

    Where no split is given it is cut by group: clips of one source look alike, so that a model which saw one of them
    knows the others. Where nothing tells the sources that is a cut at random by clip; see `describe_sources`.

    Args:
        group: what tells a clip's source where no column does: its own path (`name`), so that every clip is one of its
            own; the folder it lies in below that of its class (`folder`); its file's name up to the last underscore
            (`prefix`); or its file's name as that dataset writes it (`ucf101`, `hmdb51`). `auto` is that of the last
            two which all names are written by, else `name`.
        test_share: of each class, the share of clips for testing where no split is given; `auto` is 0.3.
        split_seed: draws the groups for testing; `auto` is 0.
        imbalance: largest over smallest class in training, see `induce_long_tail`; 1 leaves classes as they are.
        tail_seed: draws which classes become small, and which clips they keep.

    Raises:
        UserError: a file is missing, has changed, is listed twice or in a wrong way, a group is in training and in
            testing, a class has too few groups to be split, or an option says otherwise than what is given.
    """
    root = require_root(root, "folder")
    frame = read_clip_list(root) if (root / INDEX).is_file() else scan_folders(root)
    if "bytes" not in frame:
        frame["bytes"] = read_sizes(root, frame["path"])
    names = frame["label"]
    classes = sorted(names.unique().tolist())
    frame["label"] = pd.Categorical(frame["label"], categories=classes).codes.astype(np.int64)
    listed = {"group"} & set(frame.columns) | ({"test_share", "split_seed"} if "split" in frame else set())
    _settle_groups(root, frame, names, group)
    if _settle_split(root, frame, test_share=test_share, split_seed=split_seed):
        _check_split(root, frame, classes)
    _check_groups(root, frame)
    frame["split"] = induce_long_tail(frame, imbalance=imbalance, seed=tail_seed, where="folder")
    own = recognize(frame["path"], names) or "name"
    automatic: dict[str, Value] = {"group": own, "test_share": TEST_SHARE, "split_seed": 0}
    return ClipTable("folder", root, tuple(classes), frame[list(COLUMNS)], automatic, frozenset(listed))


def _settle_groups(root: Path, frame: pd.DataFrame, names: pd.Series, group: str) -> None:
    """Fill in the column `group`, or refuse the one that is there where another was asked for."""
    if "group" not in frame:
        frame["group"] = name_groups(frame["path"], names, group)
    elif group != "auto" and not frame["group"].equals(name_groups(frame["path"], names, group)):
        hint = f"leave the option out, or mend or delete {INDEX}"
        raise UserError(f"group={group}, but {INDEX} has other groups in its column", where=str(root), hint=hint)


def _settle_split(root: Path, frame: pd.DataFrame, *, test_share: float | str, split_seed: int | str) -> bool:
    """Fill in the column `split`, or refuse the one that is there where another was asked for; whether it was cut."""
    given = [f"{k}={v}" for k, v in (("test_share", test_share), ("split_seed", split_seed)) if v != "auto"]
    if "split" in frame and not given:
        return False
    share, seed = (TEST_SHARE if test_share == "auto" else test_share), (0 if split_seed == "auto" else split_seed)
    cut = _cut_split(frame, test_share=float(share), seed=int(seed))
    if "split" in frame and not np.array_equal(frame["split"], cut):
        hint = f"leave the option out, or mend or delete {INDEX}"
        raise UserError(f"{given[0]}, but another split is given already", where=str(root), hint=hint)
    frame["split"] = cut
    return True


def scan_folders(root: Path) -> pd.DataFrame:
    """One row a video below the class folders: `path`, `label` (text), and `split` where folders say it.

    Raises:
        UserError: there is no class folder, one without video, or a video outside of them.
    """
    videos = find_videos(root)
    folders = list_folders(videos)
    if folders & _SPLIT_FOLDERS:
        parts = [(videos / split, split) for split in sorted(_SPLIT_FOLDERS)]
        if folders != _SPLIT_FOLDERS:
            hint = f"list the clips in {INDEX} if train or test is a class, or, as unused, clips for validation"
            raise UserError(
                f"the folders are {', '.join(sorted(folders))}", where=str(videos), legal="train, test", hint=hint
            )
    else:
        parts = [(videos, "")]
    rows = []
    for folder, split in parts:
        if loose := sorted(entry.name for entry in entries(folder) if entry.is_file() and is_video(entry.name)):
            hint = f"move it into the folder of its class, or list it in {INDEX}"
            raise UserError(f"the video {loose[0]!r} lies outside of class folders", where=str(folder), hint=hint)
        for label in list_classes(folder, reserved=(), example="dive"):
            if not (found := sorted(_walk(folder / label))):
                hint = f"legal suffixes: {' '.join(sorted(SUFFIXES))}"
                raise UserError("the class folder holds no video", where=str(folder / label), hint=hint)
            rows += [(path.relative_to(root).as_posix(), label, split) for path in found]
    if odd := [path for path, _, _ in rows if not _is_text(path)]:
        raise UserError(f"the name {odd[0]!r} is no UTF-8", where=str(root), hint="rename the file")
    frame = pd.DataFrame(rows, columns=["path", "label", "split"])
    return frame if len(parts) > 1 else frame.drop(columns="split")


def _walk(folder: Path) -> Iterator[Path]:
    for entry in entries(folder):
        if entry.is_dir():
            yield from _walk(Path(entry.path))
        elif entry.is_file() and is_video(entry.name):
            yield Path(entry.path)


def _is_text(name: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in name)


def _cut_split(frame: pd.DataFrame, *, test_share: float, seed: int) -> np.ndarray:
    """(n,) `train` or `test` for each clip, cut by group."""
    groups = pd.factorize(frame["group"], sort=True)[0].astype(np.int64)
    tested = split_by_group(frame["label"].to_numpy(), groups, test_share=test_share, seed=seed)
    return np.where(tested, "test", "train")


def _check_split(root: Path, frame: pd.DataFrame, classes: list[str]) -> None:
    """Of a split that was cut, every class must have clips on both sides."""
    for role, split in (("training", "train"), ("test", "test")):
        counts = np.bincount(frame["label"][frame["split"] == split], minlength=len(classes))
        if (without := np.flatnonzero(counts == 0)).size:
            raise UserError(
                f"no {role} clips for: {', '.join(classes[label] for label in without[:3])}",
                where=str(root),
                legal="two groups or more a class, because a group is never divided",
                hint=f"add clips of other sources, or give the split: folders train and test, or a column in {INDEX}",
            )


def _check_groups(root: Path, frame: pd.DataFrame) -> None:
    if leaking := leaking_groups(frame):
        shown = ", ".join(map(repr, leaking[:3])) + (", ..." if len(leaking) > 3 else "")
        hint = "give no split, which then is cut by group, or name groups that are of different sources differently"
        raise UserError(f"{len(leaking)} groups are in training and in testing ({shown})", where=str(root), hint=hint)
