"""Where a dataset is prepared from: its official archives, or others by their md5, or folders."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.data.datasets.layout import VIDEOS, few_clips, is_video, list_folders, refuse_own_splits
from clnorm.data.datasets.published import PUBLISHED, Published
from clnorm.data.prepare.archive import Member, list_folder, open_archive, require_regular
from clnorm.data.prepare.digests import md5_of, sha256_of
from clnorm.data.prepare.limits import Tally
from clnorm.errors import UserError

if TYPE_CHECKING:
    from clnorm.progress import Reporter

ARCHIVES = "archives"
"""The folder in the root that downloads go to."""

ARCHIVE_SUFFIXES = (".rar", ".zip")


def own_archives(root: Path, name: str) -> list[Path]:
    """The official archives that lie in the root, or else their repacks; without any, the layout must be there already.

    Raises:
        UserError: there are none, and no layout, or one with a split of somebody else's.
    """
    published = PUBLISHED[name]
    found = []
    for names in known_names(published):
        there = [path for file in names for folder in (root, root / ARCHIVES) if (path := folder / file).is_file()]
        found += there[:1]
    if not found and not (root / VIDEOS).is_dir():
        if root.is_dir():
            refuse_own_splits(list_folders(root), dataset=name, where=str(root))
        download = "--download --mirror" if published.mirror else "--download"
        raise UserError(
            "there is nothing to prepare from",
            where=str(root),
            legal=f"{' and '.join(archive.file for archive in published.archives)} in this folder",
            hint=f"pass --from ARCHIVE_OR_FOLDER, once for each, or {download}",
        )
    return found


def known_names(published: Published) -> list[list[str]]:
    """Of each official archive, the file names that it has here and on the mirror."""
    packs = [published.archives, *([published.mirror.files] if published.mirror else [])]
    return [[pack.file for pack in same] for same in zip(*packs, strict=True)]


def open_sources(
    paths: Sequence[Path],
    root: Path,
    stack: ExitStack,
    *,
    published: Published,
    accept: Sequence[str],
    tally: Tally,
    reporter: "Reporter",
) -> list[Member]:
    """The members of folders and archives, those of the official archives in a folder included.

    Args:
        paths: the sources.
        root: the folder to prepare, which must not lie in a source.
        stack: closes the archives.
        published: what the dataset consists of.
        accept: md5s of archives that may be taken though they are not the official ones.
        tally: counts what the archives list.
        reporter: told of progress, and of each archive that is not known to be official.

    Raises:
        UserError: an archive that is not official, not to be read, or holds more than the limits say, a folder that
            holds `root`, or a source without anything to take.
        ClnormError: an archive is damaged, or nothing can decompress it.
    """
    members: list[Member] = []
    for path in paths:
        found = _open_source(path, root, stack, published=published, accept=accept, tally=tally, reporter=reporter)
        _require_use(path, found, published)
        members += found
    return members


def _require_use(path: Path, members: Sequence[Member], published: Published) -> None:
    """Refuse a source of which nothing can be taken, so that none is passed over without a word."""
    names = (member.path.name for member in members)
    if any(is_video(n) or n.lower().endswith(ARCHIVE_SUFFIXES) or re.fullmatch(published.lists, n) for n in names):
        return
    others = [str(member.path) for member in members]
    what = "there is no clip, no list and no archive in it" + (f": {few_clips(others, 'file')}" if others else "")
    raise UserError(what, where=str(path), hint="leave it out, or name the folder or archive that holds them")


def _open_source(
    path: Path,
    root: Path,
    stack: ExitStack,
    *,
    published: Published,
    accept: Sequence[str],
    tally: Tally,
    reporter: "Reporter",
) -> list[Member]:
    """The members of one source."""
    if not path.is_dir():
        require_regular(path)
        reporter.start(f"reading {path.name}", total=1, unit="archive")
        _check_md5(path, published=published, accept=accept, reporter=reporter)
        members = stack.enter_context(open_archive(path, scratch=root, tally=tally))
        reporter.advance(1)
        reporter.finish()
        return members
    if root.resolve().is_relative_to(path.resolve()):
        raise UserError(f"{path} holds the folder to prepare", where="--from", hint="choose a folder outside of it")
    members = list_folder(path)
    known = {name for names in known_names(published) for name in names}
    official = [m for m in members if m.path.name in known]
    rest = [member for member in members if member not in official]
    for member in official:
        inner = path / member.path
        rest += _open_source(inner, root, stack, published=published, accept=accept, tally=tally, reporter=reporter)
    return rest


def _check_md5(path: Path, *, published: Published, accept: Sequence[str], reporter: "Reporter") -> None:
    """Whether this archive is an official one; that it is another, or that none is known, is said."""
    official = {archive.md5 for archive in published.archives if archive.md5 is not None}
    repacks = {repack.size: repack.sha256 for repack in published.mirror.files} if published.mirror else {}
    try:
        found = md5_of(path)
        if found in official:
            return
        wanted = repacks.get(path.stat().st_size)
        repacked = wanted is not None and sha256_of(path) == wanted
    except OSError as error:
        raise UserError(f"cannot read this archive: {error.strerror}", where=str(path)) from error
    if published.mirror and repacked:
        reporter.note(f"{path}: not an official archive, but known by its sha256 as that of {published.mirror.repo}")
        return
    if official and found not in accept:
        raise UserError(
            f"this is not an official archive: its md5 is {found}",
            where=str(path),
            legal=official,
            hint=f"replace it by a new download, or take it all the same with --accept {found}",
        )
    why = "not an official archive, accepted by its md5" if official else "no official md5 is known to compare with"
    reporter.note(f"{path}: {why} ({found})")
