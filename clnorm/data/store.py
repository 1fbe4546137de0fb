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

from clnorm.data.build import CLIPS, INFO, META, Progress, bad_clips_error, build_store, name_disk_errors
from clnorm.data.cache import cache_dir
from clnorm.data.decode import SAMPLING_VERSION
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError

_LAYOUT = 1


@dataclass(frozen=True, eq=False)
class ClipStore:
    """Decoded clips, one row of one array a clip, the row being the clip's id in its table.

    Args:
        folder: where the store lies.
        clips: (n, T, 3, size, size) uint8, memory-mapped; zeros for a bad clip.
        info: one row a clip: `decoded` (frames it has, 0 for a bad clip), `header` (frames its header claims, missing
            where it says nothing), `reason` (why it is bad, empty for a good one).
    """

    folder: Path
    clips: npt.NDArray[np.uint8]
    info: pd.DataFrame

    @classmethod
    def open(
        cls,
        table: ClipTable,
        *,
        frames: int,
        size: int,
        skip_bad: bool = False,
        progress: Progress | None = None,
        workers: int = 2,
    ) -> "ClipStore":
        """The store of `table` at `frames` x 3 x `size` x `size`, decoded now if that never happened before.

        It lies in `stores/` of the cache, named by the hash of the table, frames, size and decoder. One process builds
        it, others wait and load it; it appears complete or not at all. A store found damaged is an error, never
        rebuilt unasked.

        Args:
            skip_bad: accept clips that cannot be decoded: they stand in `bad`, in this store for good. They are an
                error otherwise, nothing is stored, and the next attempt decodes afresh.
            progress: called with (clips done, clips in all) after each clip.
            workers: threads that decode.

        Raises:
            BadClipsError: clips cannot be decoded and `skip_bad` is off, or no clip at all can be decoded.
            ClnormError: the disk is full or fails, the store found is damaged, or FFmpeg is missing.
        """
        meta = _describe(table, frames=frames, size=size)
        key = hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()[:20]
        folder = cache_dir() / "stores" / key
        if not folder.exists():
            with name_disk_errors(folder):
                folder.parent.mkdir(exist_ok=True)
                with filelock.FileLock(f"{folder}.lock"):
                    if not folder.exists():
                        build_store(folder, table, meta, skip_bad=skip_bad, progress=progress, workers=workers)
        store = _load(folder, meta)
        if store.bad and not skip_bad:
            raise bad_clips_error(table, store.bad, hint=f"or mend them and delete {folder}")
        return store

    def __len__(self) -> int:
        return len(self.clips)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.clips.shape))
        return f"ClipStore({shape} uint8, {self.nbytes / 1e6:.0f} MB, {len(self.bad)} bad, {self.folder})"

    @property
    def frames(self) -> int:
        """T, the frames of a clip."""
        return int(self.clips.shape[1])

    @property
    def size(self) -> int:
        """Height and width of a frame in pixels."""
        return int(self.clips.shape[-1])

    @property
    def nbytes(self) -> int:
        """Bytes of all the pixels."""
        return int(self.clips.nbytes)

    @cached_property
    def bad(self) -> dict[int, str]:
        """The id of each clip that could not be decoded, and why."""
        return {clip: reason for clip, reason in enumerate(self.info["reason"].tolist()) if reason}

    def gather(self, ids: Sequence[int] | npt.NDArray[np.int64] | torch.Tensor) -> torch.Tensor:
        """The pixels of the clips `ids`, (B,), as a new tensor (B, T, 3, size, size) uint8.

        Raises:
            ClnormError: an id is not in the store, or its clip is a bad one.
        """
        wanted = np.asarray(ids, dtype=np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise ClnormError(f"clip ids from {wanted.min()} to {wanted.max()}", legal=f"0 to {len(self) - 1}")
        if self.bad and (refused := set(wanted.tolist()) & self.bad.keys()):
            clip = min(refused)
            raise ClnormError(f"clip {clip} is a bad one and has no pixels: {self.bad[clip]}", where=str(self.folder))
        return torch.from_numpy(self.clips[wanted])


def _describe(table: ClipTable, *, frames: int, size: int) -> dict[str, Any]:
    """All that decides the pixels of a store: its folder is named by the hash of this, and holds it."""
    return {
        "layout": _LAYOUT,
        "table": table.fingerprint,
        "shape": [len(table), frames, 3, size, size],
        "sampling": SAMPLING_VERSION,
        "torchcodec": importlib.metadata.version("torchcodec"),
    }


def _load(folder: Path, meta: dict[str, Any]) -> ClipStore:
    try:
        stored = json.loads((folder / META).read_text(encoding="utf-8"))
        clips = np.lib.format.open_memmap(folder / CLIPS, mode="r")
        info = pd.read_parquet(folder / INFO)
    except (OSError, ValueError) as error:
        raise _damaged(folder, " ".join(str(error).split())) from error
    if stored != meta:
        raise _damaged(folder, f"{META} describes another store")
    if list(clips.shape) != meta["shape"] or clips.dtype != np.uint8:
        raise _damaged(folder, f"{CLIPS} holds {clips.dtype} {clips.shape}")
    if len(info) != len(clips) or list(info.columns) != ["decoded", "header", "reason"]:
        raise _damaged(folder, f"{INFO} holds {len(info)} rows of {', '.join(info.columns)}")
    return ClipStore(folder, clips, info)


def _damaged(folder: Path, reason: str) -> ClnormError:
    return ClnormError(
        f"the decoded clips are damaged: {reason}",
        where=str(folder),
        hint="delete this folder and run the same command again, which decodes them anew",
    )
