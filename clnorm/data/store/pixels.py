"""Where a store's pixels come from: a memory map, a device's memory or the video files, bit for bit alike."""

import mmap
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from clnorm.data.store.decode import TRIM_EVERY, read_clip, return_memory
from clnorm.data.store.file_state import read_state
from clnorm.data.store.sampling import Frames
from clnorm.data.store.video import DecodeError
from clnorm.errors import ClnormError

_PIECE = 1024  # frames copied to a device at once


class Pixels(Protocol):
    """What gives the frames of clips."""

    def take(self, clips: Frames, shown: Frames) -> torch.Tensor:
        """Frames `shown`, (B, T), counted among the kept ones, of `clips`, (B,): (B, T, 3, H, W) uint8."""


class MappedPixels:
    """Frames of all clips in one memory map, clip after clip.

    Args:
        frames: (all kept frames, 3, H, W) uint8.
        kept: (n,) how many of them each clip has.
        crc32: (n,) of the bytes of each clip's frames: compared the first time that a process reads the clip, which
            costs as much as reading it does, once.
        damaged: the error for frames that are not those written, from what is wrong with them.
    """

    def __init__(self, frames: np.memmap, kept: Frames, crc32: Frames, damaged: Callable[[str], ClnormError]) -> None:
        self.frames: npt.NDArray[np.uint8] = np.asarray(frames)
        self.kept, self.starts = kept, np.cumsum(kept) - kept
        self._file, self._bytes = cast(mmap.mmap, frames.base), frames.offset + frames.nbytes
        self._crc32, self._damaged = crc32, damaged
        self._verified = np.zeros(len(kept), dtype=bool)

    def take(self, clips: Frames, shown: Frames) -> torch.Tensor:
        self.verify(clips)
        return torch.from_numpy(np.take(self.frames, self.starts[clips, None] + shown, axis=0))

    def clip(self, clip: int) -> npt.NDArray[np.uint8]:
        """All kept frames of one clip, a view of the memory map."""
        self.verify(np.array([clip]))
        return self.frames[self.starts[clip] : self.starts[clip] + self.kept[clip]]

    def verify(self, clips: Frames) -> None:
        """Compare the checksums of those clips that were not compared before.

        The length of the file is compared each time: reading a memory map beyond the end of a file that was cut
        meanwhile would kill the process.

        Raises:
            ClnormError: a clip's bytes are not those that were written, or the file was cut.
        """
        if (length := self._file.size()) < self._bytes:
            raise self._damaged(f"the file of frames was cut from {self._bytes} to {length} bytes")
        for clip in np.unique(clips[~self._verified[clips]]).tolist():
            start = self.starts[clip]
            if zlib.crc32(self.frames[start : start + self.kept[clip]].data) != self._crc32[clip]:
                raise self._damaged(f"clip {clip} has another checksum than when it was written")
            self._verified[clip] = True


class DevicePixels:
    """The frames of a memory map copied to a device, where batches are put together.

    Args:
        mapped: the frames; all of them are verified.
        device: where they go.
    """

    def __init__(self, mapped: MappedPixels, device: torch.device) -> None:
        mapped.verify(np.arange(len(mapped.kept)))
        self._starts = mapped.starts
        self._frames = torch.empty(mapped.frames.shape, dtype=torch.uint8, device=device)
        for start in range(0, len(mapped.frames), _PIECE):
            piece = np.array(mapped.frames[start : start + _PIECE])
            self._frames[start : start + _PIECE] = torch.from_numpy(piece)

    def take(self, clips: Frames, shown: Frames) -> torch.Tensor:
        return self._frames[torch.from_numpy(self._starts[clips, None] + shown).to(self._frames.device)]


class DecodedPixels:
    """Frames decoded from the files whenever they are asked for, the clips of a batch side by side.

    All kept frames of a clip are decoded, also where fewer are shown: whether a file is found to be uneven depends on
    which frames are read.

    Args:
        paths: the files, one a clip.
        info: the rows of the store: what the files were and gave when they were probed.
        limit: the most frames kept of a clip; None is all.
        size: height and width of a frame.
        decoder: cpu or cuda.
        workers: threads that decode.
    """

    def __init__(
        self, paths: Sequence[Path], info: pd.DataFrame, *, limit: int | None, size: int, decoder: str, workers: int
    ) -> None:
        self._paths, self._limit, self._size, self._decoder, self._workers = paths, limit, size, decoder, workers
        self._states = list(zip(info["bytes"].tolist(), info["mtime_ns"].tolist(), strict=True))
        self._kept = info["kept"].to_numpy(dtype=np.int64)
        self._untrimmed, self._lock = 0, threading.Lock()

    def take(self, clips: Frames, shown: Frames) -> torch.Tensor:
        if not len(clips):
            return torch.empty((*shown.shape, 3, self._size, self._size), dtype=torch.uint8)
        with ThreadPoolExecutor(self._workers, thread_name_prefix="decode") as pool:
            frames = torch.stack(list(pool.map(self._read, clips.tolist(), shown)))
        with self._lock:
            self._untrimmed += len(clips)
            if self._untrimmed >= TRIM_EVERY:
                return_memory()
                self._untrimmed = 0
        return frames

    def _read(self, clip: int, shown: Frames) -> torch.Tensor:
        path = self._paths[clip]
        if read_state(path) != self._states[clip]:
            raise DecodeError(path, "it has changed since the run began")
        decoded = read_clip(path, frames=self._limit, size=self._size, decoder=self._decoder)
        if len(decoded.kept) != self._kept[clip]:
            raise DecodeError(path, f"it gives {len(decoded.kept)} frames now, and gave {self._kept[clip]} before")
        return decoded.frames[torch.from_numpy(shown)]
