"""Files that a kill or a power cut never leaves half-written."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clnorm.errors import ClnormError


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

    One process at a time may write in the folder.

    Raises:
        ClnormError: the disk is full or the folder cannot be written; `path` is as it was.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # left by a process that was killed
        with new_file(partial) as file:
            write(file)
        partial.replace(path)
    except OSError as error:
        raise ClnormError(f"cannot be written ({error.strerror or error})", where=str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
