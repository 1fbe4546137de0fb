"""ClipStore: the clips of a table as batches of pixels, decoded once for all processes, or whenever they are read."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import filelock
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from clnorm.data.store.build import BuildOptions, Progress, bad_clips_error, build_store, name_disk_errors
from clnorm.data.store.naming import describe_store, digest_content, locate_store
from clnorm.data.store.pixels import Pixels
from clnorm.data.store.renew import Note, load_store, renew_store
from clnorm.data.store.sampling import Frames, jittered_frames, middle_frames
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError


@dataclass(frozen=True, eq=False)
class ClipStore:
    """Clips of T frames of one size.

    Args:
        folder: where the store lies.
        info: one row a clip, a `ClipRow`.
        frames: T, the frames that a clip shows.
        size: height and width of a frame in pixels.
        pixels: what gives them.
    """

    folder: Path
    info: pd.DataFrame
    frames: int
    size: int
    pixels: Pixels

    @classmethod
    def open(
        cls,
        table: ClipTable,
        *,
        frames: int,
        size: int,
        keep: str = "T",
        cache: str = "store",
        decoder: str = "cpu",
        skip_bad: bool = False,
        progress: Progress | None = None,
        note: Note | None = None,
        workers: int = 2,
    ) -> "ClipStore":
        """The store of `table` at `frames` x 3 x `size` x `size`, decoded now if that never happened before.

        It lies in `stores/` of the cache, named by the hash of the table, frames kept, size and decoder. One process
        builds it, others wait and load it; it appears complete or not at all, and a build that was killed goes on
        where it was. A store found damaged is an error, never rebuilt unasked: its structure is checked here, and the
        checksum of each clip the first time that a process reads it.

        Files that hold something else than when they were decoded are decoded anew. They are found by size and time
        of change, then by sha256.

        Args:
            keep: frames kept of each clip: `T`, `2T` or `all`, at equal intervals; never more than it has.
            cache: `store` keeps the frames on the disk. `none` keeps only what is known of each clip, found by
                decoding all of them once, so that bad clips are known before the first batch as with a store; each
                batch is then decoded when it is read, with the same pixels.
            decoder: `cpu` or `cuda`. Their pixels differ by rounding: each has stores of its own.
            skip_bad: accept clips that cannot be decoded: they stand in `bad`, in this store until their files
                change. They are an error otherwise, nothing is stored, and the next attempt decodes afresh.
            progress: called with (clips done, clips in all) after each clip.
            note: told of what the user should know.
            workers: threads that decode.

        Raises:
            BadClipsError: clips cannot be decoded and `skip_bad` is off, or no clip at all can be decoded.
            UserError: there is no CUDA device for the decoder.
            ClnormError: the disk is full or fails, the store found is damaged, or FFmpeg is missing.
        """
        meta = describe_store(table, frames=frames, size=size, keep=keep, cache=cache, decoder=decoder)
        folder = locate_store(meta)
        options = BuildOptions(skip_bad=skip_bad, progress=progress, workers=workers)
        load = partial(load_store, folder, table, meta, workers=workers)
        with name_disk_errors(folder):
            folder.parent.mkdir(exist_ok=True)
            with filelock.FileLock(f"{folder}.lock"):
                if not folder.exists():
                    build_store(folder, table, meta, options)
                info, pixels = load()
                if renew_store(folder, info, pixels, table=table, meta=meta, options=options, note=note):
                    info, pixels = load()
        with contextlib.suppress(OSError):  # of a cache that others own
            os.utime(folder)  # for `clnorm clean`: it is in use
        store = cls(folder, info, frames, size, pixels)
        if store.bad and not skip_bad:
            raise bad_clips_error(table, store.bad, hint=f"or mend them and delete {folder}")
        return store

    def __len__(self) -> int:
        return len(self.info)

    def __repr__(self) -> str:
        shape = f"{len(self)} x {self.frames} x 3 x {self.size} x {self.size}"
        return (
            f"ClipStore({shape} uint8 of {self.kept.sum()} frames, {self.nbytes / 1e6:.0f} MB, "
            f"{len(self.bad)} bad, {self.folder})"
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all kept frames."""
        return int(self.kept.sum()) * 3 * self.size**2

    @cached_property
    def kept(self) -> Frames:
        """(n,) how many frames are kept of each clip."""
        return self.info["kept"].to_numpy(dtype=np.int64, copy=True)

    @cached_property
    def bad(self) -> dict[int, str]:
        """The id of each clip that could not be decoded, and why."""
        return {clip: reason for clip, reason in enumerate(self.info["reason"].tolist()) if reason}

    @cached_property
    def content(self) -> str:
        """sha256 (hex) of the sha256 of all files."""
        return digest_content(self.info["sha256"])

    def gather(
        self,
        ids: Sequence[int] | npt.NDArray[np.int64] | torch.Tensor,
        *,
        draws: npt.NDArray[np.float32] | None = None,
    ) -> torch.Tensor:
        """The pixels of the clips `ids`, (B,), as a new tensor (B, T, 3, size, size) uint8.

        Args:
            draws: (B, T) uniform in [0, 1): which frame of each segment is shown, see `jittered_frames`; without, the
                middle one, see `middle_frames`.

        Raises:
            ClnormError: an id is not in the store, its clip is a bad one, or its pixels are damaged.
        """
        wanted = np.asarray(ids, dtype=np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise ClnormError(f"clip ids from {wanted.min()} to {wanted.max()}", legal=f"0 to {len(self) - 1}")
        if self.bad and (refused := set(wanted.tolist()) & self.bad.keys()):
            clip = min(refused)
            raise ClnormError(f"clip {clip} is a bad one and has no pixels: {self.bad[clip]}", where=str(self.folder))
        kept = self.kept[wanted]
        shown = middle_frames(kept, frames=self.frames) if draws is None else jittered_frames(kept, draws)
        return self.pixels.take(wanted, shown)
