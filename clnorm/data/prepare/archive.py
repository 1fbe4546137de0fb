"""What lies in an archive or a folder: members with a path and an opener. ZIP is read by `zip.py`, RAR by `rar.py`."""

import errno
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

import rarfile

from clnorm.data.datasets.layout import require_target
from clnorm.data.prepare.limits import Tally
from clnorm.data.prepare.rar import TOOLS, is_link, open_rar, unpack_solid
from clnorm.data.prepare.zip import open_zip
from clnorm.errors import ClnormError, UserError

_RAR, _ZIP = b"Rar!\x1a\x07", b"PK\x03\x04"
# Besides their own errors the readers let out zlib's, those of decoding names and of what they cannot do (a
# RuntimeError), and EINVAL where an offset leads before the file.
_DAMAGE = (rarfile.Error, zipfile.BadZipFile, EOFError, zlib.error, UnicodeDecodeError, RuntimeError, OSError)


@dataclass(frozen=True)
class Member:
    """A file in an archive or folder.

    Args:
        source: the archive or folder, to name in messages.
        path: where it lies there, posix, relative, without `..`.
        size: in bytes.
        open: opens it for reading; reading fails where the archive is damaged.
    """

    source: str
    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def list_folder(folder: Path) -> list[Member]:
    """The files below a folder that are not hidden, in alphabetical order; no link to a folder is followed.

    Raises:
        UserError: a folder or file cannot be read, a link leads nowhere, or there is a pipe, socket or device.
    """
    members = []
    for base, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(base, name) for name in files if not name.startswith(".")):
            path = PurePosixPath(file.relative_to(folder).as_posix())
            members.append(Member(str(folder), path, _size_of(file), _opener(file)))
    return sorted(members, key=lambda member: member.path)


def require_regular(file: Path) -> None:
    """Refuse what is there and no regular file: a pipe would be waited for, and a device could be read for ever."""
    if file.exists() and not file.is_file():
        raise UserError("this is no regular file", where=str(file), hint="remove it, or name another")


def _size_of(file: Path) -> int:
    require_target(file, link=file.is_symlink())
    require_regular(file)
    try:
        return file.stat().st_size
    except OSError as error:
        raise UserError(f"cannot read this file: {error.strerror}", where=str(file)) from error


def is_archive(path: Path) -> bool:
    """Whether a file begins as RAR and ZIP archives do."""
    with path.open("rb") as file:
        return file.read(8).startswith((_RAR, _ZIP))


@contextmanager
def open_archive(path: Path, *, scratch: Path, tally: Tally, name: str | None = None) -> Iterator[list[Member]]:
    """The members of a RAR or ZIP archive, open for as long as the context lasts.

    Args:
        path: the archive.
        scratch: a folder on the target's disk, for what can only be unpacked as a whole.
        tally: counts what it lists, before any of it is unpacked.
        name: what to call it in messages, where it is a temporary copy.

    Raises:
        UserError: it is missing, no archive, encrypted, holds more than the limits say, or has an entry that is a link
            or leads out of it.
        ClnormError: it is damaged, or nothing can decompress it.
    """
    where = name or str(path)
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise UserError(f"cannot read this archive: {error.strerror}", where=where) from error
    if not magic.startswith((_RAR, _ZIP)):
        what = "it is empty" if not magic else "it is no RAR and no ZIP archive"
        raise UserError(what, where=where, hint="download it again, or pass a folder of class folders")
    with ExitStack() as stack:
        with name_archive_errors(where):
            members = (_list_rar if magic.startswith(_RAR) else _list_zip)(path, where, scratch, stack, tally)
        if not members:
            raise ClnormError("the archive holds no file", where=where, hint="download it again")
        yield members


@contextmanager
def name_archive_errors(where: str) -> Iterator[None]:
    """Turn what rarfile and zipfile raise into errors that name the archive and the way out."""
    try:
        yield
    except rarfile.RarCannotExec as error:
        raise ClnormError(
            "no program on the PATH can decompress this RAR archive",
            where=where,
            legal=f"{', '.join(TOOLS)} (bsdtar not for a solid archive, 7-Zip not as Debian builds it)",
            hint="install one (Debian: sudo apt-get install unar; macOS: brew install unar)",
        ) from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # of the disk
        reason = " ".join(str(error).split()) or type(error).__name__
        hint = "download it again; or install unar, which reads more than bsdtar; or unpack it and pass the folder"
        raise ClnormError(
            f"the archive is damaged, or beyond the program that reads it: {reason}", where=where, hint=hint
        ) from error


def _list_rar(path: Path, where: str, scratch: Path, stack: ExitStack, tally: Tally) -> list[Member]:
    archive = open_rar(path, where, stack, tally)
    members = []
    for info in archive.infolist():
        clean = _clean_path(info.filename, where=where, link=is_link(info))
        if info.is_file():
            members.append(Member(where, clean, info.file_size, _member_opener(archive, info)))
    if not archive.is_solid():
        return members
    folder = scratch / f".{path.name}.unpacked"
    shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.mkdir()
    unpack_solid(path, archive, folder)
    return [replace(member, open=_opener(folder / member.path)) for member in members]


def _list_zip(path: Path, where: str, scratch: Path, stack: ExitStack, tally: Tally) -> list[Member]:
    archive, entries = open_zip(path, where, stack, tally)
    members = []
    for info in entries:
        clean = _clean_path(info.filename, where=where, link=stat.S_ISLNK(info.external_attr >> 16))
        if not info.is_dir():
            members.append(Member(where, clean, info.file_size, _member_opener(archive, info)))
    return members


def _clean_path(name: str, *, where: str, link: bool) -> PurePosixPath:
    """The path of a member, which must stay in the archive's own folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if link:
        raise UserError(f"the entry {name!r} is a link", where=where, legal="files and folders only")
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in name:
        raise UserError(f"the entry {name!r} leads out of the archive", where=where, legal="paths without '..' or root")
    return path


def _opener(file: Path) -> Callable[[], IO[bytes]]:
    return lambda: file.open("rb")


def _member_opener(archive: Any, info: Any) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(info)


def _raise(error: OSError) -> None:
    raise UserError(f"cannot read this folder: {error.strerror}", where=str(error.filename)) from error
