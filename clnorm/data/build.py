"""Build the folder of a ClipStore: decode every clip of a table and write the pixels, all of them or nothing.

The pixels are written in the order of the ids with plain writes, because a full disk then raises an error; under a
memory map it would kill the process.
"""

import contextlib
import ctypes
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from clnorm.data.decode import DecodedClip, DecodeError, read_clip, require_ffmpeg
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError
from clnorm.files import new_file, sync_folder

Progress = Callable[[int, int], None]

FRAMES, INFO, META = "frames.npy", "info.parquet", "meta.json"
_BATCH = 100


class BadClipsError(ClnormError):
    """Clips that cannot be decoded, where nobody said that they may be skipped."""


def build_store(
    folder: Path,
    table: ClipTable,
    meta: Mapping[str, Any],
    *,
    skip_bad: bool,
    progress: Progress | None,
    workers: int,
) -> None:
    """Decode `table` into `folder`, which appears only when it is complete. The caller holds the lock of `folder`.

    `meta` is stored beside the pixels; its `limit` is the most frames kept of a clip (None: all), its `size` theirs.

    Raises:
        BadClipsError: clips cannot be decoded and `skip_bad` is off, or none can.
        ClnormError: there is too little room, or FFmpeg is missing.
        OSError: writing fails.
    """
    require_ffmpeg()
    _check_room(folder, clips=len(table), limit=meta["limit"], size=meta["size"])
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
    part.mkdir()
    try:
        with new_file(part / FRAMES) as file:
            info = _write_clips(file, table, meta, progress=progress, workers=workers)
        bad = {clip: reason for clip, reason in enumerate(info["reason"].tolist()) if reason}
        if bad and (not skip_bad or len(bad) == len(table)):
            raise bad_clips_error(table, bad)
        with new_file(part / INFO) as file:
            info.to_parquet(file)
        with new_file(part / META) as file:
            file.write(json.dumps(meta, indent=2).encode())
        sync_folder(part)
        part.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def bad_clips_error(table: ClipTable, bad: Mapping[int, str], *, hint: str | None = None) -> BadClipsError:
    """The error that names the first bad clips, each with its reason."""
    paths = table.frame["path"]
    shown = [f"{paths.iloc[clip]}: {bad[clip]}" for clip in sorted(bad)[:3]]
    more = [f"and {len(bad) - len(shown)} more"] if len(bad) > len(shown) else []
    what = f"{len(bad)} of {len(table)} clips cannot be decoded ({'; '.join([*shown, *more])})"
    if len(bad) == len(table):
        return BadClipsError(what, where=str(table.root), hint="see: clnorm doctor")
    skip = "leave them out with --set data.skip_bad=true"
    return BadClipsError(what, where=str(table.root), hint=skip if hint is None else f"{skip}, {hint}")


@contextlib.contextmanager
def name_disk_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the file system into one that names the store and the way out."""
    try:
        yield
    except OSError as error:
        raise _disk_error(folder, error.strerror or str(error)) from error


def _disk_error(folder: Path, reason: str) -> ClnormError:
    return ClnormError(
        f"cannot write the decoded clips: {reason}",
        where=str(folder),
        hint="free some room, or set CLNORM_CACHE to a folder on another disk",
    )


def _check_room(folder: Path, *, clips: int, limit: int | None, size: int) -> None:
    """Refuse to begin what cannot fit. How many frames all clips have together is not known before."""
    if limit is None:
        return
    needed, free = clips * limit * frame_bytes(size), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise _disk_error(folder, f"they need {needed / 1e9:.2f} GB and {free / 1e9:.2f} GB are free")


def frame_bytes(size: int) -> int:
    """Bytes of one frame."""
    return 3 * size * size


def _write_clips(
    file: BinaryIO, table: ClipTable, meta: Mapping[str, Any], *, progress: Progress | None, workers: int
) -> pd.DataFrame:
    """Write the frames of all clips as one .npy array and return the `info` of every clip."""
    _write_header(file, frames=0, size=meta["size"])
    rows: list[tuple[int, int, int | None, str]] = []
    for clip in _decoded(table.paths(), frames=meta["limit"], size=meta["size"], workers=workers):
        if isinstance(clip, DecodeError):
            rows.append((0, 0, None, clip.reason))
        else:
            kept = clip.frames[: clip.decoded].numpy()
            file.write(kept.data)
            rows.append((len(kept), clip.decoded, clip.header, ""))
        if progress is not None:
            progress(len(rows), len(table))
    kept, decoded, headers, reasons = zip(*rows, strict=True)
    file.seek(0)
    _write_header(file, frames=sum(kept), size=meta["size"])
    return pd.DataFrame(
        {
            "kept": np.array(kept, dtype=np.int64),
            "decoded": np.array(decoded, dtype=np.int64),
            "header": pd.array(headers, dtype="Int64"),
            "reason": reasons,
        }
    )


def _write_header(file: BinaryIO, *, frames: int, size: int) -> None:
    """The header of the array. Its length does not depend on `frames`: numpy leaves room for the first axis to grow."""
    shape = (frames, 3, size, size)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _decoded(paths: list[Path], *, frames: int | None, size: int, workers: int) -> Iterator[DecodedClip | DecodeError]:
    """Every clip in order, decoded by threads, a batch ahead at most."""
    read = partial(_read, frames=frames, size=size)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for start in range(0, len(paths), _BATCH):
            yield from pool.map(read, paths[start : start + _BATCH])
            _return_memory()
    finally:
        pool.shutdown(cancel_futures=True)


def _read(path: Path, *, frames: int | None, size: int) -> DecodedClip | DecodeError:
    try:
        return read_clip(path, frames=frames, size=size)
    except DecodeError as error:
        return error


def _return_memory() -> None:
    """Give freed memory back: glibc's allocator keeps some 0.3 MB a clip otherwise."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
