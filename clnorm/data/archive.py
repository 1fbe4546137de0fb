"""What lies in an archive or a folder: members with a path and an opener. Nothing is written here.

RAR is read by rarfile, which parses the archive itself, opens what is stored without compression itself, and has the
rest decompressed by unrar, unar, 7z or bsdtar, through a pipe: no tool is ever told where to write. ZIP is read by
Python.
"""

import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import rarfile

from clnorm.errors import ClnormError, UserError

TOOLS = ("unrar", "unar", "7z", "7zz", "bsdtar")
_FOUND = {"unrar": "unrar", "unar": "unar", "7z": "sevenzip", "7zz": "sevenzip2", "bsdtar": "bsdtar"}
_RAR, _ZIP = b"Rar!\x1a\x07", b"PK\x03\x04"


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
    """The files below a folder that are not hidden, in alphabetical order; no link to a folder is followed."""
    members = []
    for base, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(base, name) for name in files if not name.startswith(".")):
            path = PurePosixPath(file.relative_to(folder).as_posix())
            members.append(Member(str(folder), path, file.stat().st_size, _opener(file)))
    return sorted(members, key=lambda member: member.path)


@contextmanager
def open_archive(path: Path, *, name: str | None = None) -> Iterator[list[Member]]:
    """The members of a RAR or ZIP archive, open for as long as the context lasts.

    Args:
        path: the archive.
        name: what to call it in messages, where it is a temporary copy.

    Raises:
        UserError: it is missing, no archive, encrypted, solid, or has an entry that is a link or leads out of it.
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
            members = (_list_rar if magic.startswith(_RAR) else _list_zip)(path, where, stack)
        yield members


@contextmanager
def name_archive_errors(where: str) -> Iterator[None]:
    """Turn what rarfile and zipfile raise into errors that name the archive and the way out."""
    try:
        yield
    except rarfile.RarCannotExec as error:
        raise ClnormError(
            "it is compressed, and no program that reads RAR is on the PATH",
            where=where,
            legal=", ".join(TOOLS),
            hint="install one (Debian: sudo apt-get install unar; macOS: brew install unar)",
        ) from error
    except (rarfile.Error, zipfile.BadZipFile, EOFError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        hint = "download it again, or unpack it by hand and pass the folder"
        raise ClnormError(f"the archive is damaged: {reason}", where=where, hint=hint) from error


def choose_tool() -> str:
    """The first of `TOOLS` on the PATH that reads RAR, which rarfile uses from now on.

    Raises:
        RarCannotExec: there is none.
    """
    for tool in TOOLS:
        if shutil.which(tool) and (not tool.startswith("7z") or _has_rar(tool)):
            rarfile.tool_setup(**{key: key == _FOUND[tool] for key in _FOUND.values()}, force=True)
            return tool
    raise rarfile.RarCannotExec("no program that reads RAR")


def _has_rar(sevenzip: str) -> bool:
    """Whether this build of 7-Zip has RAR, which Debian's has not."""
    listed = subprocess.run([sevenzip, "i"], capture_output=True, check=False).stdout  # noqa: S603
    return b"Rar5" in listed


def _list_rar(path: Path, where: str, stack: ExitStack) -> list[Member]:
    archive = stack.enter_context(rarfile.RarFile(path, errors="strict"))
    if archive.needs_password():
        raise UserError("the archive is encrypted", where=where, hint="unpack it by hand and pass the folder")
    if archive.is_solid():
        hint = "unpack it, for example by: unar FILE, and pass the folder"
        raise UserError("the archive is solid: no clip can be read without all before it", where=where, hint=hint)
    members = []
    for info in archive.infolist():
        link = not (info.is_file() or info.is_dir()) or getattr(info, "file_redir", None) is not None
        clean = _clean_path(info.filename, where=where, link=link)
        if info.is_file():
            members.append(Member(where, clean, info.file_size, _member_opener(archive, info)))
    if any(info.compress_type != rarfile.RAR_M0 for info in archive.infolist() if info.is_file()):
        choose_tool()
    return members


def _list_zip(path: Path, where: str, stack: ExitStack) -> list[Member]:
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = []
    for info in archive.infolist():
        if info.flag_bits & 1:
            raise UserError("the archive is encrypted", where=where, hint="unpack it by hand and pass the folder")
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
    return lambda: archive.open(info)  # type: ignore[no-any-return]


def _raise(error: OSError) -> None:
    raise UserError(f"cannot read this folder: {error.strerror}", where=str(error.filename)) from error
