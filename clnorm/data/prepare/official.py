"""From archives, or a folder of class folders, to the layout that the readers of HMDB51 and UCF101 read.

Lists come into `splits/`, the clips of a class into `videos/<class>/`. A class is written into a hidden folder beside
its place, put on the disk and renamed, so that it is there in full or not at all: what an interruption left is done
anew, and what is finished is not.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from filelock import FileLock

from clnorm.data.datasets import hmdb51, ucf101
from clnorm.data.datasets.layout import VIDEOS, few_clips, is_video, refuse_own_splits
from clnorm.data.datasets.match import match_clips, official_name
from clnorm.data.datasets.published import PUBLISHED
from clnorm.data.prepare.archive import Member, name_archive_errors, open_archive
from clnorm.data.prepare.download import download
from clnorm.data.prepare.origins import ARCHIVES, open_source, own_archives
from clnorm.errors import ClnormError, UserError
from clnorm.files import new_file, replace_file, sync_folder

if TYPE_CHECKING:
    from clnorm.progress import Reporter

READERS: Mapping[str, ModuleType] = {"hmdb51": hmdb51, "ucf101": ucf101}
_ARCHIVE_SUFFIXES = (".rar", ".zip")


def prepare_archives(
    name: str,
    root: Path,
    *,
    sources: Sequence[Path],
    fetch: bool,
    accept: Sequence[str],
    reporter: "Reporter",
) -> None:
    """Bring `hmdb51` or `ucf101` into `root`.

    Args:
        sources: archives and folders to take clips and lists from, which stay as they are. Where there is none, the
            official archives are looked for in `root` and `root/archives`.
        fetch: download the official archives to `root/archives` first.
        accept: md5s of archives that may be taken though they are not the official ones.
        reporter: told of progress, and of what is not as published.

    Raises:
        UserError: nothing to prepare from, an archive that is not the official one, or a clip of no listed class.
        ClnormError: an archive is damaged or cannot be decompressed, the disk is full, or a download fails.
    """
    published = PUBLISHED[name]
    sources = sources or ([] if fetch else own_archives(root, name))
    with _disk_errors(root), ExitStack() as stack:
        root.mkdir(parents=True, exist_ok=True)
        # The lock's file stays: another process may be waiting for it, and a third would lock a new one beside that. It
        # is hidden, and so is no content to any reader.
        stack.enter_context(FileLock(root / ".prepare.lock"))
        if fetch:
            sources = [download(archive, root / ARCHIVES, reporter=reporter) for archive in published.archives]
        members = [
            member
            for path in sources
            for member in open_source(path, root, stack, published=published, accept=accept, reporter=reporter)
        ]
        # Of folders a class below those of a split the clips are taken, with the official lists.
        folders = {m.path.parent.name for m in members if is_video(m.path.name)}
        refuse_own_splits(folders, dataset=name, where=", ".join(map(str, sources)))
        _write_lists(root / "splits", [m for m in members if re.fullmatch(published.lists, m.path.name)])
        listed = READERS[name].read_lists(root, 1)
        classes = _group_by_class(members, listed)
        waiting = [label for label in classes if not (root / VIDEOS / label).is_dir()]
        if done := len(classes) - len(waiting):
            reporter.note(f"{done} of {len(classes)} classes are there already and are left as they are.")
        if waiting:
            reporter.start("extracting", total=len(waiting), unit="classes")
            for label in waiting:
                _extract_class(root / VIDEOS / label, classes[label], listed[label])
                reporter.advance(1)
            reporter.finish()


def _write_lists(folder: Path, members: list[Member]) -> None:
    """Write the official lists that the sources hold, each complete or not at all."""
    if members:
        folder.mkdir(exist_ok=True)
    for member in members:
        with name_archive_errors(member.source), member.open() as source:
            text = source.read()
        replace_file(folder / member.path.name, lambda file, text=text: file.write(text))  # type: ignore[misc]


def _group_by_class(members: list[Member], listed: Mapping[str, object]) -> dict[str, list[Member]]:
    """Class -> its clips, or the one archive that holds them, for classes that the lists name."""
    classes: dict[str, list[Member]] = {}
    for member in members:
        if is_video(member.path.name):
            label = member.path.parent.name
        elif member.path.suffix in _ARCHIVE_SUFFIXES:
            label = member.path.stem
        else:
            continue
        if label not in listed:
            owner = f"belongs to the class {label!r}, which no list names" if label else "lies in no class folder"
            what = f"{str(member.path)!r} {owner}"
            raise UserError(what, where=member.source, legal=listed, given=label, hint="rename or remove it")
        classes.setdefault(label, []).append(member)
    return dict(sorted(classes.items()))


def _extract_class(folder: Path, members: list[Member], listed: Mapping[str, str]) -> None:
    """Write the clips of a class, under their official names where a mirror has renamed them."""
    with _class_clips(folder, members) as clips:
        files: dict[str, Member] = {}
        for clip in clips:
            if (name := clip.path.name) in files:
                raise UserError(f"the clip {name!r} is there twice", where=f"{files[name].source}, {clip.source}")
            files[name] = clip
        match = match_clips(listed, files)
        if match.double:
            what = f"{few_clips(match.double)} of one name but for the suffix"
            where = f"{files[match.double[0]].source}: {folder.name}"
            raise UserError(what, where=where, hint="keep one file of each, and move the others away")
        official = {file: official_name(clip, file) for clip, file in match.files.items()}
        needed, free = sum(clip.size for clip in clips), shutil.disk_usage(folder.parent).free
        if needed > free:
            raise _no_room(folder, f"it needs {needed / 1e6:.0f} MB and {free / 1e6:.0f} MB are free")
        part = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
        part.mkdir()
        try:
            for file, clip in files.items():
                with (
                    name_archive_errors(clip.source),
                    clip.open() as source,
                    new_file(part / official.get(file, file)) as target,
                ):
                    shutil.copyfileobj(source, target)
            sync_folder(part)
            part.rename(folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _class_clips(folder: Path, members: list[Member]) -> Iterator[list[Member]]:
    """The clips of a class; an archive within an archive is copied out for as long as it is read."""
    clips = [member for member in members if is_video(member.path.name)]
    folder.parent.mkdir(exist_ok=True)
    with ExitStack() as stack:
        for number, member in enumerate(member for member in members if member not in clips):
            copy = folder.with_name(f".{folder.name}-{number}{member.path.suffix}")
            stack.callback(copy.unlink, missing_ok=True)
            with name_archive_errors(member.source), member.open() as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target)
            inner = stack.enter_context(
                open_archive(copy, scratch=folder.parent, name=f"{member.source}: {member.path}")
            )
            clips += [clip for clip in inner if is_video(clip.path.name)]
        yield clips


@contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _no_room(root, error.strerror or str(error)) from error


def _no_room(folder: Path, reason: str) -> ClnormError:
    hint = "free some room, then give the same command again: what is finished stays"
    return ClnormError(f"cannot be written: {reason}", where=str(folder), hint=hint)
