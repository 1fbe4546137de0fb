"""An unfinished store: a journal records which clips are completely written, so that a kill loses none of them.

The frames are written in the order of the ids with plain writes, because a full disk then raises an error; under a
memory map it would kill the process.
"""

import json
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from clnorm.data.store.file_state import FileState
from clnorm.files import new_file, sync_folder

FRAMES, INFO, META, _JOURNAL = "frames.npy", "info.parquet", "meta.json", "journal.jsonl"

Pixels = npt.NDArray[np.uint8]


class ClipRow(NamedTuple):
    """What a store knows of one clip.

    Args:
        kept: frames in the store, 0 for a bad clip.
        decoded: frames that the clip has, 0 for a bad one.
        header: frames that its header claims, where it says.
        reason: why it is bad, empty for a good one.
        crc32: of its frames' bytes.
        bytes: size of its file when it was decoded, -1 where there was none.
        mtime_ns: time of that file's last change.
        sha256: of that file's content, hex, empty where it could not be read.
    """

    kept: int
    decoded: int
    header: int | None
    reason: str
    crc32: int
    bytes: int
    mtime_ns: int
    sha256: str

    @property
    def state(self) -> FileState:
        """What the clip's file was."""
        return FileState(self.bytes, self.mtime_ns)


class Part:
    """The folder of an unfinished store, continued where it was left, or begun.

    Args:
        folder: where it lies; another store than `meta` describes in it is removed by the caller.
        meta: what the store will be.
        is_valid: whether a clip's row still holds; rows are taken up to the first that does not.

    Attributes:
        rows: of the clips that are written, the first ones.
    """

    def __init__(self, folder: Path, meta: Mapping[str, Any], *, is_valid: Callable[[int, ClipRow], bool]) -> None:
        self.folder, self.meta = folder, meta
        self.rows: list[ClipRow] = []
        if not (folder / META).exists():
            folder.mkdir(exist_ok=True)
            (folder / _JOURNAL).touch()
            with (folder / FRAMES).open("wb") as frames:
                _write_header(frames, frames=0, size=meta["size"])
            _write_meta(folder, meta)
        self._frames, self._journal = (folder / FRAMES).open("r+b"), (folder / _JOURNAL).open("r+b")
        _write_header(self._frames, frames=0, size=meta["size"])
        self._take_up(is_valid)

    def __enter__(self) -> "Part":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()
        self._frames.close()

    def add(self, row: ClipRow, pixels: Pixels | None) -> None:
        """Write the next clip: its frames first, then the line that vouches for them."""
        if pixels is not None:
            self._frames.write(pixels.data)
            self._frames.flush()
        self._journal.write(json.dumps(row).encode() + b"\n")
        self._journal.flush()
        self.rows.append(row)

    def finish(self, folder: Path) -> None:
        """Make it the store `folder`, in one step, once all rows are there."""
        kept = sum(row.kept for row in self.rows) if self.meta["pixels"] else 0
        self._frames.seek(0)
        _write_header(self._frames, frames=kept, size=self.meta["size"])
        self._frames.flush()
        os.fsync(self._frames.fileno())
        (self.folder / INFO).unlink(missing_ok=True)  # left by a process that was killed in this very place
        with new_file(self.folder / INFO) as file:
            write_info(_make_info(self.rows), file)
        sync_folder(self.folder)
        self.folder.rename(folder)
        sync_folder(folder.parent)
        (folder / _JOURNAL).unlink()

    def _take_up(self, is_valid: Callable[[int, ClipRow], bool]) -> None:
        start, line_end = self._frames.tell(), 0
        for clip, line in enumerate(self._journal):
            row = _parse(line)
            if row is None or not is_valid(clip, row):
                break
            length = row.kept * 3 * self.meta["size"] ** 2 if self.meta["pixels"] else 0
            if length and zlib.crc32(self._frames.read(length)) != row.crc32:
                break
            start, line_end = start + length, line_end + len(line)
            self.rows.append(row)
        for file, end in ((self._frames, start), (self._journal, line_end)):
            file.seek(end)
            file.truncate()


def read_meta(folder: Path) -> dict[str, Any] | None:
    """What the store in a folder is; None where that cannot be read."""
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return meta


def write_info(info: pd.DataFrame, file: Any) -> None:
    """Write the rows of a store; each page of them has a checksum, which reading compares."""
    info.to_parquet(file, write_page_checksum=True)


def _make_info(rows: list[ClipRow]) -> pd.DataFrame:
    info = pd.DataFrame(rows, columns=list(ClipRow._fields))
    whole = dict.fromkeys(("kept", "decoded", "crc32", "bytes", "mtime_ns"), "int64")
    return info.astype({**whole, "header": "Int64"})


def _parse(line: bytes) -> ClipRow | None:
    """The row in a line of the journal; None where the line was cut."""
    try:
        return ClipRow(*json.loads(line)) if line.endswith(b"\n") else None
    except (ValueError, TypeError):
        return None


def _write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    partial = folder / f"{META}.partial"
    partial.unlink(missing_ok=True)
    with new_file(partial) as file:
        file.write(json.dumps(meta, indent=2).encode())
    partial.rename(folder / META)


def _write_header(file: Any, *, frames: int, size: int) -> None:
    """The header of the array. Its length does not depend on `frames`: numpy leaves room for the first axis to grow."""
    shape = (frames, 3, size, size)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
