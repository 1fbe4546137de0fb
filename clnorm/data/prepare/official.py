"""From archives, or a folder of class folders, to the layout that the readers of HMDB51 and UCF101 read.

Lists come into `splits/`, the clips of a class into `videos/<class>/`. A class is written into a hidden folder beside
its place, put on the disk and renamed, so that it is there in full or not at all: what an interruption left is done
anew, and what is finished is not.
"""

import errno
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from clnorm.data.datasets import hmdb51, ucf101
from clnorm.data.datasets.layout import VIDEOS, is_video, refuse_own_splits
from clnorm.data.datasets.match import match_clips, official_name
from clnorm.data.datasets.published import PUBLISHED
from clnorm.data.prepare.again import find_surplus, is_complete, refuse_surplus
from clnorm.data.prepare.archive import Member, name_archive_errors, open_archive
from clnorm.data.prepare.download import fetch_archives
from clnorm.data.prepare.fit import require_fit
from clnorm.data.prepare.limits import Limits, Tally
from clnorm.data.prepare.lists import write_lists
from clnorm.data.prepare.origins import ARCHIVE_SUFFIXES, ARCHIVES, open_sources, own_archives
from clnorm.data.prepare.place import hold_root
from clnorm.errors import ClnormError, UserError
from clnorm.files import new_file, sync_folder

if TYPE_CHECKING:
    from clnorm.progress import Reporter

READERS: Mapping[str, ModuleType] = {"hmdb51": hmdb51, "ucf101": ucf101}


def prepare_archives(
    name: str,
    root: Path,
    *,
    sources: Sequence[Path],
    fetch: bool,
    mirror: bool = False,
    accept: Sequence[str],
    limits: Limits,
    reporter: "Reporter",
) -> None:
    """Bring `hmdb51` or `ucf101` into `root`.

    Args:
        sources: archives and folders to take clips and lists from, which stay as they are. Where there is none, the
            official archives are looked for in `root` and `root/archives`.
        fetch: download the official archives to `root/archives` first.
        mirror: download the mirror's instead.
        accept: md5s of archives that may be taken though they are not the official ones.
        limits: what the archives may hold, all of them together.
        reporter: told of progress, and of what is not as published.

    Raises:
        UserError: nothing to prepare from, an archive that is not the official one or holds more than the limits say,
            or a clip of no listed class.
        ClnormError: an archive is damaged or cannot be decompressed, the disk is full, or a download fails.
    """
    published, tally = PUBLISHED[name], Tally(limits)
    _refuse_contradictions(name, sources=sources, fetch=fetch, mirror=mirror)
    sources = sources or ([] if fetch else own_archives(root, name))
    with _disk_errors(root), ExitStack() as stack:
        stack.enter_context(hold_root(root))
        if fetch:
            sources = fetch_archives(published, root / ARCHIVES, mirror=mirror, reporter=reporter)
        members = open_sources(sources, root, stack, published=published, accept=accept, tally=tally, reporter=reporter)
        # Of folders a class below those of a split the clips are taken, with the official lists.
        folders = {m.path.parent.name for m in members if is_video(m.path.name)}
        refuse_own_splits(folders, dataset=name, where=", ".join(map(str, sources)))
        reader = READERS[name]
        with write_lists(root, members, pattern=published.lists, folders=reader.LIST_FOLDERS):
            listed = reader.read_lists(root, 1)
            classes = _group_by_class(members, listed)
            waiting = [label for label in classes if not (root / VIDEOS / label).is_dir()]
            if finished := {label: classes[label] for label in classes if label not in waiting}:
                reporter.note(f"{len(finished)} of {len(classes)} classes are there already and are left as they are.")
                _compare_finished(root / VIDEOS, finished, listed, tally, reporter)
            loose = [label for label in waiting if all(is_video(member.path.name) for member in classes[label])]
            require_fit({label: classes[label] for label in loose}, listed)
            double = 0
            if waiting:
                reporter.start("extracting", total=len(waiting), unit="classes")
                for label in waiting:
                    double += _extract_class(root / VIDEOS / label, classes[label], listed[label], tally)
                    reporter.advance(1)
                reporter.finish()
            if double:
                reporter.note(f"{double} clips are there more than once, byte by byte the same, and were taken once.")


def _refuse_contradictions(name: str, *, sources: Sequence[Path], fetch: bool, mirror: bool) -> None:
    if fetch and sources:
        raise UserError("the archives are given, and to be downloaded", where="--from", hint="leave out --download")
    if mirror and not fetch:
        raise UserError("this says from where --download takes the archives", where="--mirror", hint="add --download")
    if mirror and PUBLISHED[name].mirror is None:
        legal = [dataset for dataset, published in PUBLISHED.items() if published.mirror]
        raise UserError(f"no mirror of {name!r} is known", where="--mirror", legal=legal, hint="leave it out")


def _group_by_class(members: list[Member], listed: Mapping[str, object]) -> dict[str, list[Member]]:
    """Class -> its clips, or the one archive that holds them, for classes that the lists name."""
    classes: dict[str, list[Member]] = {}
    for member in members:
        if is_video(member.path.name):
            label = member.path.parent.name
        elif member.path.suffix in ARCHIVE_SUFFIXES:
            label = member.path.stem
        else:
            continue
        if label not in listed:
            owner = f"belongs to the class {label!r}, which no list names" if label else "lies in no class folder"
            what = f"{str(member.path)!r} {owner}"
            raise UserError(what, where=member.source, legal=listed, given=label, hint="rename or remove it")
        classes.setdefault(label, []).append(member)
    return dict(sorted(classes.items()))


def _compare_finished(
    videos: Path,
    finished: Mapping[str, list[Member]],
    listed: Mapping[str, Mapping[str, str]],
    tally: Tally,
    reporter: "Reporter",
) -> None:
    """Refuse or note what the sources have of classes that are finished, and their folders have not.

    To copy archives out of an archive again takes minutes: not where the folder has all that the lists name.
    """
    found = {}
    for label, members in finished.items():
        loose = [member for member in members if member.path.suffix not in ARCHIVE_SUFFIXES]
        needed = loose if is_complete(videos / label, listed[label]) else members
        with _class_clips(videos / label, needed, tally) as clips:
            found[label] = find_surplus(videos / label, [clip.path.name for clip in clips], listed[label])
    if unlisted := refuse_surplus(videos, found):
        reporter.note(unlisted)


def _extract_class(folder: Path, members: list[Member], listed: Mapping[str, str], tally: Tally) -> int:
    """Write the clips of a class, under their official names where a mirror has renamed them.

    Returns:
        How many of the class's files are the same as another, and were left out.
    """
    with _class_clips(folder, members, tally) as clips:
        if not clips:
            where = ", ".join(f"{member.source}: {member.path}" for member in members)
            raise UserError("there is no clip in it", where=where, hint="download it again, or remove it")
        files: dict[str, Member] = {}
        for clip in clips:
            first = files.setdefault(clip.path.name, clip)
            if first is not clip and not _same_content(first, clip):
                what = f"the clip {clip.path.name!r} is there twice, with different content"
                raise UserError(what, where=f"{first.source}: {first.path}, {clip.source}: {clip.path}")
        require_fit({folder.name: clips}, {folder.name: listed})
        official = {file: official_name(clip, file) for clip, file in match_clips(listed, files).files.items()}
        needed, free = sum(clip.size for clip in files.values()), shutil.disk_usage(folder.parent).free
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
        return len(clips) - len(files)


def _same_content(first: Member, second: Member) -> bool:
    return first.size == second.size and _digest(first) == _digest(second)


def _digest(clip: Member) -> bytes:
    digest = hashlib.sha256()
    with name_archive_errors(clip.source), clip.open() as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.digest()


@contextmanager
def _class_clips(folder: Path, members: list[Member], tally: Tally) -> Iterator[list[Member]]:
    """The clips of a class; an archive within an archive is copied out for as long as it is read."""
    clips = [member for member in members if is_video(member.path.name)]
    folder.parent.mkdir(exist_ok=True)
    with ExitStack() as stack:
        for number, member in enumerate(member for member in members if member not in clips):
            copy = folder.with_name(f".{folder.name}-{number}{member.path.suffix}")
            stack.callback(copy.unlink, missing_ok=True)
            with name_archive_errors(member.source), member.open() as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target)
            where = f"{member.source}: {member.path}"
            inner = stack.enter_context(open_archive(copy, scratch=folder.parent, tally=tally, name=where))
            clips += [clip for clip in inner if is_video(clip.path.name)]
        yield clips


@contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where, reason = Path(error.filename2 or error.filename or root), error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, None):
            raise _no_room(where, reason) from error
        hint = "see what stands there, or choose another folder; what is finished stays"
        raise ClnormError(f"cannot be written: {reason}", where=str(where), hint=hint) from error


def _no_room(folder: Path, reason: str) -> ClnormError:
    hint = "free some room, then give the same command again: what is finished stays"
    return ClnormError(f"cannot be written: {reason}", where=str(folder), hint=hint)
