"""Datasets as folders on disk: a folder a class, in `videos/` or right in the root, and lists that name the clips."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath

from clnorm.errors import UserError

VIDEOS = "videos"
_PARTS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"})
"""What mirrors name the parts of a split, in lower case."""

_CONTAINERS = (
    "3g2 3gp asf avi divx dv f4v flv gif m2ts m2v m4v mjpeg mkv mov mp4 mpe mpeg mpg mts mxf ogg ogm ogv rm rmvb ts "
    "vob webm wmv y4m"
)
SUFFIXES = frozenset(f".{word}" for word in _CONTAINERS.split(" "))
"""Suffixes of the containers of video that FFmpeg reads, in lower case."""


def is_video(name: str) -> bool:
    """Whether a file is one by its suffix."""
    return PurePath(name).suffix.lower() in SUFFIXES


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder that are not hidden.

    Raises:
        UserError: the folder cannot be read, or a link in it leads nowhere, so that clips would be missing.
    """
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if not entry.name.startswith("."):
                    require_target(Path(entry.path), link=entry.is_symlink())
                    yield entry
    except OSError as error:
        hint = "pass the dataset's folder as --data-root"
        raise UserError(f"cannot read this folder: {error.strerror}", where=str(folder), hint=hint) from error


def require_target(path: Path, *, link: bool) -> None:
    """Refuse a link that leads nowhere."""
    if link and not path.exists():
        what = f"this link to {str(path.readlink())!r} leads nowhere"
        raise UserError(what, where=str(path), hint="remove it, or bring back what it leads to")


def list_folders(folder: Path) -> set[str]:
    return {entry.name for entry in entries(folder) if entry.is_dir()}


def require_root(root: Path | None, name: str) -> Path:
    """The dataset's folder, which must have been given."""
    if root is None:
        raise UserError("the dataset lies in a folder of yours", where=name, hint="pass --data-root FOLDER")
    return Path(root)


def find_videos(root: Path, *, names: Collection[str] = (VIDEOS,)) -> Path:
    """The folder that holds the class folders: the first of `names` in `root` that exists, else `root`."""
    present = list_folders(root)
    return next((root / name for name in names if name in present), root)


def list_classes(videos: Path, *, reserved: Collection[str], example: str) -> list[str]:
    """The class folders in alphabetical order; `reserved` are folders that are none.

    Raises:
        UserError: there is none.
    """
    if not (folders := sorted(list_folders(videos) - set(reserved))):
        raise UserError(
            "there is no class folder",
            where=str(videos),
            legal=f"a folder a class, such as {example}, here or in {VIDEOS}/",
            hint="unpack the dataset here, or pass its folder as --data-root",
        )
    return folders


def refuse_own_splits(folders: Collection[str], *, dataset: str, where: str) -> None:
    """Refuse a copy of a dataset whose folders are a split that somebody else made, as some mirrors' are.

    Args:
        folders: names of folders, those of classes where all is well.
        dataset: `hmdb51` or `ucf101`, neither of which has a class of such a name.
        where: the folder or archive that they lie in.

    Raises:
        UserError: two of them, or all, are named as parts of a split.
    """
    own = sorted(name for name in folders if name.casefold() in _PARTS)
    if len(own) > 1 or (own and len(own) == len(folders)):
        raise UserError(
            f"this copy of {dataset} has a split of its own (folders {', '.join(own)}): results on it cannot be "
            "compared with those on the official splits, and clips of one source may be on both sides",
            where=where,
            legal=f"a folder a class, here or in {VIDEOS}/, and the official lists",
            hint="get the official archives; or, if its clips have their official names, sort them into a folder a "
            f"class, and bring them and the official lists into place with clnorm data prepare {dataset} FOLDER --from "
            "CLIPS --from LISTS; or read them as a dataset of your own, with --dataset folder",
        )


def list_clips(folder: Path, *, dataset: str) -> dict[str, int]:
    """File name -> size in bytes of every video of a class folder, by its suffix.

    Args:
        folder: the class folder.
        dataset: `hmdb51` or `ucf101`.

    Raises:
        UserError: there is none; where there are folders of a split in place of them, that is said.
    """
    sizes = {e.name: e.stat().st_size for e in entries(folder) if is_video(e.name) and e.is_file()}
    if not sizes:
        refuse_own_splits(list_folders(folder), dataset=dataset, where=str(folder))
        hint = "unpack the class's clips here, or remove the folder"
        raise UserError(
            "the class folder holds no .avi clip, nor one in another container", where=str(folder), hint=hint
        )
    return sizes


def read_lines(path: Path, *, what: str, missing: str) -> list[tuple[int, str]]:
    """The number and text of each line that is not blank, stripped.

    Args:
        what: what the file is, in words.
        missing: what to do where it does not exist.

    Raises:
        UserError: the file is missing or no text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise UserError(f"there is no such {what}", where=str(path), hint=missing) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the {what}: {error}", where=str(path)) from error
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def few_clips(names: list[str], noun: str = "clip") -> str:
    """`3 clips ('a.avi', 'b.avi', ...)`, or another noun."""
    shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
    return f"{len(names):,} {noun}{'s' * (len(names) > 1)} ({shown})"
