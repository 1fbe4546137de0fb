"""Files that a kill or a power cut never leaves half-written, and that damage does not leave unnoticed."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clnorm.errors import ClnormError, UserError

UNSEALED = f"clnorm-sha256:{'0' * 64}"
"""The text that a file's content holds once where `seal` is to write its checksum."""

_SEAL = re.compile(rb"clnorm-sha256:([0-9a-f]{64})")


def seal(content: bytes) -> bytes:
    """The content with its checksum, sha256 of all of it as it was given, in the place of `UNSEALED`."""
    before, found, after = content.rpartition(UNSEALED.encode())
    if not found:
        raise ValueError("the content has no place for a checksum")
    digest = hashlib.sha256(content).hexdigest()
    return before + UNSEALED.encode()[:-64] + digest.encode() + after


def check_seal(content: bytes) -> bool:
    """Whether the content has a checksum, which is then right.

    Raises:
        ValueError: the content is not what its checksum was made of.
    """
    seals = list(_SEAL.finditer(content))
    if not seals:
        return False
    start, end = seals[-1].span(1)
    digest = hashlib.sha256(content[:start])
    digest.update(b"0" * 64)
    digest.update(content[end:])
    if digest.hexdigest() != seals[-1][1].decode():
        raise ValueError("its checksum says that it was damaged or changed")
    return True


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that must not exist yet, on the disk when the block ends."""
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put the folder's list of names on the disk, which a rename alone does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file beside `path`, put it on the disk, and then in its place in one step.

    One process at a time may write in the folder. A link is followed: what it leads to is replaced.

    Raises:
        UserError: `path` is there and no regular file, such as a device or a folder.
        ClnormError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    target = path.resolve()
    if not path.name or (target.exists() and not target.is_file()):
        raise UserError("is no regular file, and is not replaced", where=str(path), hint="name another file")
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # left by a process that was killed
        with new_file(partial) as file:
            write(file)
        partial.replace(target)
    except OSError as error:
        raise ClnormError(f"cannot be written ({error.strerror or error})", where=str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def cache_dir() -> Path:
    """$CLNORM_CACHE, else $XDG_CACHE_HOME/clnorm, else ~/.cache/clnorm; created where it does not exist.

    Raises:
        UserError: the folder cannot be created or written.
    """
    folder = _chosen()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error.strerror or str(error)) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise _unusable(folder, "no permission to write")
    return folder


def _chosen() -> Path:
    if own := os.environ.get("CLNORM_CACHE"):
        return Path(own).absolute()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).absolute() / "clnorm"
    try:
        return Path.home() / ".cache" / "clnorm"
    except RuntimeError as error:
        raise UserError("there is no home folder to keep a cache in", hint="set CLNORM_CACHE to a folder") from error


def _unusable(folder: Path, reason: str) -> UserError:
    return UserError(reason, where=f"cache folder {folder}", hint="set CLNORM_CACHE to a folder that can be written")
