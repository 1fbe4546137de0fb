"""ClipStore: every clip of a table decoded once, in one memory-mapped array that all processes share."""

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from clnorm.data.build import FRAMES, INFO, META, Progress, bad_clips_error, build_store, name_disk_errors
from clnorm.data.cache import cache_dir
from clnorm.data.decode import SAMPLING_VERSION
from clnorm.data.sampling import Frames, jittered_frames, keep_limit, middle_frames
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError

_LAYOUT = 2
_COLUMNS = ["kept", "decoded", "header", "reason"]


@dataclass(frozen=True, eq=False)
class ClipStore:
    """Decoded clips: the kept frames of all of them in one array, clip after clip in the order of the table's ids.

    Args:
        folder: where the store lies.
        pixels: (all kept frames, 3, size, size) uint8, memory-mapped.
        info: one row a clip: `kept` (frames in the store, 0 for a bad clip), `decoded` (frames it has), `header`
            (frames its header claims, missing where it says nothing), `reason` (why it is bad, empty for a good one).
        frames: T, the frames that a clip shows.
    """

    folder: Path
    pixels: npt.NDArray[np.uint8]
    info: pd.DataFrame
    frames: int

    @classmethod
    def open(
        cls,
        table: ClipTable,
        *,
        frames: int,
        size: int,
        keep: str = "T",
        skip_bad: bool = False,
        progress: Progress | None = None,
        workers: int = 2,
    ) -> "ClipStore":
        """The store of `table` at `frames` x 3 x `size` x `size`, decoded now if that never happened before.

        It lies in `stores/` of the cache, named by the hash of the table, frames kept, size and decoder. One process
        builds it, others wait and load it; it appears complete or not at all. A store found damaged is an error,
        never rebuilt unasked.

        Args:
            keep: frames kept of each clip: `T`, `2T` or `all`, at equal intervals; never more than it has.
            skip_bad: accept clips that cannot be decoded: they stand in `bad`, in this store for good. They are an
                error otherwise, nothing is stored, and the next attempt decodes afresh.
            progress: called with (clips done, clips in all) after each clip.
            workers: threads that decode.

        Raises:
            BadClipsError: clips cannot be decoded and `skip_bad` is off, or no clip at all can be decoded.
            ClnormError: the disk is full or fails, the store found is damaged, or FFmpeg is missing.
        """
        meta = _describe(table, limit=keep_limit(keep, frames=frames), size=size)
        key = hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()[:20]
        folder = cache_dir() / "stores" / key
        if not folder.exists():
            with name_disk_errors(folder):
                folder.parent.mkdir(exist_ok=True)
                with filelock.FileLock(f"{folder}.lock"):
                    if not folder.exists():
                        build_store(folder, table, meta, skip_bad=skip_bad, progress=progress, workers=workers)
        store = _load(folder, meta, frames=frames)
        if store.bad and not skip_bad:
            raise bad_clips_error(table, store.bad, hint=f"or mend them and delete {folder}")
        return store

    def __len__(self) -> int:
        return len(self.info)

    def __repr__(self) -> str:
        shape = f"{len(self)} x {self.frames} x 3 x {self.size} x {self.size}"
        return (
            f"ClipStore({shape} uint8 of {len(self.pixels)} frames, {self.nbytes / 1e6:.0f} MB, "
            f"{len(self.bad)} bad, {self.folder})"
        )

    @property
    def size(self) -> int:
        """Height and width of a frame in pixels."""
        return int(self.pixels.shape[-1])

    @property
    def nbytes(self) -> int:
        """Bytes of all the pixels."""
        return int(self.pixels.nbytes)

    @cached_property
    def kept(self) -> Frames:
        """(n,) how many frames the store holds of each clip."""
        return self.info["kept"].to_numpy(dtype=np.int64, copy=True)

    @cached_property
    def _starts(self) -> Frames:
        """(n,) where the frames of each clip begin in `pixels`."""
        return np.cumsum(self.kept) - self.kept

    @cached_property
    def bad(self) -> dict[int, str]:
        """The id of each clip that could not be decoded, and why."""
        return {clip: reason for clip, reason in enumerate(self.info["reason"].tolist()) if reason}

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
            ClnormError: an id is not in the store, or its clip is a bad one.
        """
        wanted = np.asarray(ids, dtype=np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise ClnormError(f"clip ids from {wanted.min()} to {wanted.max()}", legal=f"0 to {len(self) - 1}")
        if self.bad and (refused := set(wanted.tolist()) & self.bad.keys()):
            clip = min(refused)
            raise ClnormError(f"clip {clip} is a bad one and has no pixels: {self.bad[clip]}", where=str(self.folder))
        kept = self.kept[wanted]
        shown = middle_frames(kept, frames=self.frames) if draws is None else jittered_frames(kept, draws)
        return torch.from_numpy(self.pixels[self._starts[wanted, None] + shown])


def _describe(table: ClipTable, *, limit: int | None, size: int) -> dict[str, Any]:
    """All that decides the pixels of a store: its folder is named by the hash of this, and holds it."""
    return {
        "layout": _LAYOUT,
        "table": table.fingerprint,
        "clips": len(table),
        "limit": limit,
        "size": size,
        "sampling": SAMPLING_VERSION,
        "torchcodec": importlib.metadata.version("torchcodec"),
    }


def _load(folder: Path, meta: dict[str, Any], *, frames: int) -> ClipStore:
    try:
        stored = json.loads((folder / META).read_text(encoding="utf-8"))
        pixels = np.lib.format.open_memmap(folder / FRAMES, mode="r")
        info = pd.read_parquet(folder / INFO)
    except (OSError, ValueError) as error:
        raise _damaged(folder, " ".join(str(error).split())) from error
    if stored != meta:
        raise _damaged(folder, f"{META} describes another store")
    if len(info) != meta["clips"] or list(info.columns) != _COLUMNS:
        raise _damaged(folder, f"{INFO} holds {len(info)} rows of {', '.join(info.columns)}")
    if pixels.shape != (info["kept"].sum(), 3, meta["size"], meta["size"]) or pixels.dtype != np.uint8:
        raise _damaged(folder, f"{FRAMES} holds {pixels.dtype} {pixels.shape}")
    return ClipStore(folder, pixels, info, frames)


def _damaged(folder: Path, reason: str) -> ClnormError:
    return ClnormError(
        f"the decoded clips are damaged: {reason}",
        where=str(folder),
        hint="delete this folder and run the same command again, which decodes them anew",
    )
