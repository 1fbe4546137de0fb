"""Datasets as folders on disk: a folder a class, in `videos/` or right in the root, and lists that name the clips."""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from clnorm.errors import UserError

VIDEOS = "videos"


@dataclass(frozen=True)
class Match:
    """The clips of a class, listed against those on disk.

    Args:
        files: listed clip -> file name on disk.
        absent: listed clips that are not on disk, sorted.
        extra: files that no list names, sorted.
    """

    files: dict[str, str]
    absent: list[str]
    extra: list[str]


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


def list_clips(folder: Path) -> dict[str, int]:
    """File name -> size in bytes of every .avi clip of a class folder.

    Raises:
        UserError: there is none.
    """
    sizes = {e.name: e.stat().st_size for e in entries(folder) if e.name.endswith(".avi") and e.is_file()}
    if not sizes:
        hint = "unpack the class's clips here, or remove the folder"
        raise UserError("the class folder holds no .avi clip", where=str(folder), hint=hint)
    return sizes


def match_clips(listed: Collection[str], files: Collection[str]) -> Match:
    """Each listed clip with its file: that of its name, else the one file that a mirror may have renamed it to.

    Some mirrors write `@` for `#` and `&`. Where two listed clips, or two files, come to the same name, none is taken.
    """
    found = {clip: clip for clip in listed if clip in files}
    rest: dict[str, list[str]] = {}
    for file in sorted(set(files) - found.keys()):
        rest.setdefault(_mirrored(file), []).append(file)
    for clip in [clip for clip in listed if clip not in found]:
        if len(candidates := rest.get(_mirrored(clip), [])) == 1:
            found[clip] = candidates.pop()
    return Match(found, sorted(set(listed) - found.keys()), sorted(set(files) - set(found.values())))


def require_match(listed: Collection[str], files: Mapping[str, int], *, where: Path, lists: str) -> dict[str, str]:
    """`match_clips`, where every listed clip must be on disk and every file listed.

    Args:
        lists: what names the clips, in words.

    Raises:
        UserError: a clip is missing or superfluous; the first ones are named.
    """
    match = match_clips(listed, files)
    if match.absent:
        hint = f"unpack the dataset again, or use the {lists}s that belong to these clips"
        raise UserError(f"{few_clips(match.absent)} in the {lists} but not on disk", where=str(where), hint=hint)
    if match.extra:
        hint = f"move them away, or use the {lists}s that belong to these clips"
        raise UserError(f"{few_clips(match.extra)} on disk but not in the {lists}", where=str(where), hint=hint)
    return match.files


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


def few_clips(names: list[str]) -> str:
    """`3 clips ('a.avi', 'b.avi', ...)`."""
    shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} clip{'s' * (len(names) > 1)} ({shown})"


def _mirrored(clip: str) -> str:
    return clip.replace("#", "@").replace("&", "@")
