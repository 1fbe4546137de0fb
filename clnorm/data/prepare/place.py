"""The folder that a dataset is prepared in: held by one process at a time, and as it was where nothing came of it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from clnorm.data.datasets.layout import VIDEOS

_LOCK = ".prepare.lock"


@contextmanager
def hold_root(root: Path) -> Iterator[None]:
    """Hold the folder, made where it is not there, while the block runs; another process waits for its end.

    Where the block fails or is interrupted, the folders made in it go where they are empty.

    Raises:
        OSError: the folder cannot be made or written.
    """
    lock, made = _acquire(root)
    try:
        before = set(root.iterdir())
        try:
            yield
        except BaseException:
            with suppress(OSError):  # the error at hand is the one to tell
                _remove_empty([path for path in root.iterdir() if path not in before])
            raise
    finally:
        # Who waits for this file finds that it has no name any more, and begins anew.
        (root / _LOCK).unlink(missing_ok=True)
        _remove_empty(made)
        lock.release()


def _acquire(root: Path) -> tuple[FileLock, list[Path]]:
    """The lock, and the folders made for it, innermost first."""
    while True:
        made = [folder for folder in (root, *root.parents) if not folder.exists()]
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / _LOCK)
        try:
            lock.acquire()
        except FileNotFoundError:
            continue  # another process has failed meanwhile, and removed the folder
        except BaseException:
            _remove_empty(made)
            raise
        return lock, made


def finished_classes(root: Path) -> set[str]:
    """The classes whose clips are all in their place."""
    videos = root / VIDEOS
    return {path.name for path in videos.iterdir() if not path.name.startswith(".")} if videos.is_dir() else set()


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
