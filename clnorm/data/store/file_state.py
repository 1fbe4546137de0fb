"""Size, time and hash of the files that clips come from, and which of them have changed since they were decoded."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

_WORTH_THREADS = 64


class FileState(NamedTuple):
    """A file's size and the time of its last change, in nanoseconds; both -1 where there is no such file."""

    bytes: int
    mtime_ns: int


ABSENT = FileState(-1, -1)


def read_state(path: Path | str) -> FileState:
    """The present state of a file."""
    try:
        status = os.stat(path)  # noqa: PTH116  # half the time of Path.stat, once for every clip
    except OSError:
        return ABSENT
    return FileState(status.st_size, status.st_mtime_ns)


def digest_file(path: Path) -> str:
    """sha256 (hex) of a file's content, empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def compare_sources(paths: Sequence[Path], info: pd.DataFrame, *, workers: int) -> tuple[list[int], pd.DataFrame]:
    """Which clips' files hold something else than when they were decoded.

    A file of the same size and time counts as the same. Any other is read: if its sha256 is the same, it was only
    copied or touched.

    Args:
        paths: the files, one a clip.
        info: the rows of a store, with `bytes`, `mtime_ns` and `sha256`.
        workers: threads that read.

    Returns:
        The ids of the clips that changed, and `info` with the present state of the files that were only touched.
    """
    states = np.array([read_state(path) for path in map(str, paths)], dtype=np.int64).reshape(-1, 2)
    stored = info[["bytes", "mtime_ns"]].to_numpy()
    suspects = np.flatnonzero((states != stored).any(axis=1)).tolist()
    if not suspects:
        return [], info
    with ThreadPoolExecutor(workers if len(suspects) > _WORTH_THREADS else 1) as pool:
        digests = pool.map(digest_file, [paths[clip] for clip in suspects])
        known = info["sha256"].tolist()
        changed = [clip for clip, digest in zip(suspects, digests, strict=True) if digest != known[clip]]
    touched = sorted(set(suspects) - set(changed))
    present = info.copy()
    present.loc[touched, ["bytes", "mtime_ns"]] = states[touched]
    return changed, present
