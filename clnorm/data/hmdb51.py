"""Reader of HMDB51 and of everything laid out like it: class folders of .avi clips with official split files.

Kuehne, Jhuang, Garrote, Poggio, Serre: HMDB: a large video database for human motion recognition, ICCV 2011. Each of
its three splits has 70 training and 30 test clips a class, and no source of a class in both.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from clnorm.data.table import ClipTable
from clnorm.errors import UserError

SPLIT_FOLDERS = (
    "",
    "splits",
    "testTrainMulti_7030_splits",
    "test_train_splits",
    "test_train_splits/testTrainMulti_7030_splits",
)
_RESERVED = {folder.partition("/")[0] for folder in SPLIT_FOLDERS}
_FLAGS = {"0": "unused", "1": "train", "2": "test"}
_LINE = re.compile(r"^\s*(?P<name>\S.*?)\s+(?P<flag>[012])\s*$")
_TAGS = re.compile(
    r"_(?P<visible>[^_]+)_(?P<camera>cm|nm)_np(?P<people>\d+)_(?P<view>[^_]+)_(?P<quality>[^_]+)_\d+\.avi$"
)


def read(root: Path | None, *, split: int = 1, name: str = "hmdb51", progress: object = None) -> ClipTable:
    """The clips below `root`, with the official split `split`.

    Class folders lie in `root/videos` where that exists, else in `root`; those present, in alphabetical order, are the
    classes. Split files `<class>_test_split<k>.txt` lie in `root` or one of `SPLIT_FOLDERS` below it; the first of
    them that holds any is used. Lines read `name.avi 1` (1 train, 2 test, 0 unused). Every clip must be listed, and
    every listed clip must be there; a name not found is looked up once more with `#` and `&` written as `@`, as some
    mirrors do. The clip's source (its group) and tags (visible, camera, people, view, quality) come from its name,
    `<source>_<class>_<visible>_<cm|nm>_np<people>_<view>_<quality>_<number>.avi`. No video is opened,
    so `progress`, which every reader is given, hears of nothing.

    Raises:
        UserError: a folder, split file or clip is missing, superfluous, listed twice or wrongly named.
    """
    if root is None:
        raise UserError("the dataset lies in a folder of yours", where=name, hint="pass --data-root FOLDER")
    if split not in (1, 2, 3):
        raise UserError(f"there is no split {split!r}", where=name, legal="1, 2, 3")
    root = Path(root)
    videos = root / "videos" if "videos" in _folders(root) else root
    folders = _class_folders(root, videos)
    splits = _split_folder(root, split)
    rows: list[dict[str, object]] = []
    for label, folder in enumerate(folders):
        sizes = _clips(videos / folder)
        flags = _read_split(splits / f"{folder}_test_split{split}.txt")
        for clip, file in sorted(_match(flags, sizes, where=videos / folder).items()):
            path = (videos / folder / file).relative_to(root).as_posix()
            row = {"path": path, "label": label, "split": flags[clip], "bytes": sizes[file]}
            rows.append(row | _parse_name(clip, folder, where=videos / folder))
    frame = pd.DataFrame(rows)[["path", "label", "split", "group", "bytes", *_TAGS.groupindex]]
    return ClipTable(name, root, tuple(folders), frame)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder that are not hidden."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        hint = "pass the dataset's folder as --data-root"
        raise UserError(f"cannot read this folder: {error.strerror}", where=str(folder), hint=hint) from error


def _folders(folder: Path) -> set[str]:
    return {entry.name for entry in _entries(folder) if entry.is_dir()}


def _class_folders(root: Path, videos: Path) -> list[str]:
    taken = _RESERVED if videos == root else set()
    folders = sorted(_folders(videos) - taken)
    if not folders:
        raise UserError(
            "there is no class folder",
            where=str(videos),
            legal="a folder a class, such as brush_hair, here or in videos/",
            hint="unpack the dataset here, or pass its folder as --data-root",
        )
    return folders


def _split_folder(root: Path, split: int) -> Path:
    suffix = f"_test_split{split}.txt"
    for folder in SPLIT_FOLDERS:
        if (root / folder).is_dir() and any(entry.name.endswith(suffix) for entry in _entries(root / folder)):
            return root / folder
    raise UserError(
        f"there is no split file <class>{suffix}",
        where=str(root),
        legal=f"in this folder, {', '.join(folder + '/' for folder in SPLIT_FOLDERS[1:])}",
        hint="unpack the archive test_train_splits.rar of HMDB51 here",
    )


def _read_split(path: Path) -> dict[str, str]:
    """Clip name -> split, in the file's order."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        hint = "add it, or move the class folder away"
        raise UserError("there is no such split file for this class folder", where=str(path), hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the split file: {error}", where=str(path)) from error
    flags: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _LINE.match(line)
        if match is None:
            legal = "'name.avi 1', with 1 train, 2 test, 0 unused"
            raise UserError(f"cannot read {line.strip()!r}", where=f"{path}:{number}", legal=legal)
        if match["name"] in flags:
            raise UserError(f"{match['name']!r} is listed twice", where=f"{path}:{number}")
        flags[match["name"]] = _FLAGS[match["flag"]]
    return flags


def _clips(folder: Path) -> dict[str, int]:
    """File name -> size in bytes of every clip of a class folder."""
    sizes = {entry.name: entry.stat().st_size for entry in _entries(folder) if _is_clip(entry)}
    if not sizes:
        hint = "unpack the class's clips here, or remove the folder"
        raise UserError("the class folder holds no .avi clip", where=str(folder), hint=hint)
    return sizes


def _is_clip(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".avi") and entry.is_file()


def _mirrored(clip: str) -> str:
    return clip.replace("#", "@").replace("&", "@")


def _match(flags: dict[str, str], sizes: dict[str, int], *, where: Path) -> dict[str, str]:
    """Clip name of the split file -> file name on disk: one to one, or an error."""
    found = {clip: clip for clip in flags if clip in sizes}
    rest: dict[str, list[str]] = {}
    for file in sizes.keys() - found.keys():
        rest.setdefault(_mirrored(file), []).append(file)
    for clip in [clip for clip in flags if clip not in found]:
        if len(files := rest.get(_mirrored(clip), [])) == 1:
            found[clip] = files.pop()
    if absent := sorted(flags.keys() - found.keys()):
        hint = "unpack the dataset again, or use the split files that belong to these clips"
        raise UserError(f"{_few(absent)} in the split file but not on disk", where=str(where), hint=hint)
    if extra := sorted(sizes.keys() - set(found.values())):
        hint = "move them away, or use the split files that belong to these clips"
        raise UserError(f"{_few(extra)} on disk but not in the split file", where=str(where), hint=hint)
    return found


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


def _few(names: list[str]) -> str:
    """`3 clips ('a.avi', 'b.avi', ...)`."""
    shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} clip{'s' * (len(names) > 1)} ({shown})"
