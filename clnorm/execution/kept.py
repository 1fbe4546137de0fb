"""What a model's frozen blocks make of each clip, computed once and kept on the disk (`train.keep_frozen`)."""

import hashlib
import json
import os
import shutil
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import filelock
import numpy as np
import torch
from torch import nn

from clnorm.config.config import Config
from clnorm.data.store.pixels import MappedPixels
from clnorm.errors import ClnormError
from clnorm.execution.execution import Execution
from clnorm.execution.inputs import Inputs, compute_outputs, split_batches
from clnorm.files import cache_dir, new_file, sync_folder
from clnorm.models.blocks import find_first, find_loose
from clnorm.progress import Reporter, count_steps

if TYPE_CHECKING:
    from clnorm.data.store.sampling import Frames
    from clnorm.data.store.store import ClipStore

_LAYOUT = 1
_BATCH = 32
_OUTPUTS, _CHECKSUMS = "outputs.npy", "crc32.npy"


class KeptOutputs:
    """Outputs of frozen blocks in the place of pixels: whatever frames are asked for, those that were computed.

    Args:
        mapped: (n, T, N, C) float32, an item a clip.
    """

    def __init__(self, mapped: MappedPixels) -> None:
        self._mapped = mapped

    def take(self, clips: "Frames", shown: "Frames") -> torch.Tensor:
        return self._mapped.take(clips, np.zeros((len(clips), 1), dtype=np.int64))[:, 0]


def keep_frozen(
    store: "ClipStore",
    model: nn.Module,
    config: Config,
    *,
    execution: Execution,
    device: torch.device,
    reporter: Reporter,
) -> "ClipStore":
    """A store that gives (B, T, N, C) float32, what the first `train.freeze_blocks` blocks make of clips.

    The model is told that it is given these: its `kept_blocks`.

    They lie in `frozen/` of the cache, named by the hash of what decides them: the clips, the tensors before and in
    these blocks, and how they are computed. One process computes them, others wait and load them.

    Args:
        store: the clips.
        model: with `forward_first`; prepared, its weights those that the run begins with.
        config: of the run.
        execution: how the model is executed.
        device: where the run trains.
        reporter: told of the progress.

    Raises:
        ClnormError: an output is not finite, or what was kept is damaged.
    """
    meta = _describe(store, model, config, execution, device)
    name = hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()[:20]
    folder = cache_dir() / "frozen" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{folder}.lock"):
        if not folder.exists():
            _compute(folder, store, model.to(device), config, precision=execution.precision, reporter=reporter)
    model.kept_blocks = config.train.freeze_blocks  # type: ignore[assignment]  # before a method copies the model
    os.utime(folder)  # for `clnorm clean`: it is in use
    return replace(store, pixels=KeptOutputs(_load(folder, clips=len(store))))


def _describe(
    store: "ClipStore", model: nn.Module, config: Config, execution: Execution, device: torch.device
) -> dict[str, Any]:
    """All that decides the outputs."""
    return {
        "layout": _LAYOUT,
        "store": store.folder.name,
        "content": store.content,
        "frames": store.frames,
        "backbone": [str(config.backbone), config.backbone.entry.source],
        "norm": "" if config.unswapped_blocks else [str(config.norm), config.norm.entry.source],
        "blocks": config.train.freeze_blocks,
        "tensors": _digest_tensors(model, config.train.freeze_blocks),
        "execution": [execution.precision, execution.attention, config.train.kernels, device.type],
        "torch": torch.__version__,
    }


def _digest_tensors(model: nn.Module, count: int) -> str:
    """sha256 (hex) of the names and values of what stands before and in the first blocks."""
    digest = hashlib.sha256()
    for path, module in find_first(model, count, option="train.freeze_blocks").items():
        for name, value in module.state_dict(prefix=f"{path}.").items():
            digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    for parameter in find_loose(model):
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _compute(
    folder: Path, store: "ClipStore", model: nn.Module, config: Config, *, precision: str, reporter: Reporter
) -> None:
    """Write the outputs of all clips, zeros for bad ones; the folder appears complete or not at all."""
    ids = np.array([clip for clip in range(len(store)) if clip not in store.bad], dtype=np.int64)
    inputs = Inputs(store, next(model.parameters()).device)
    forward = partial(cast(Any, model).forward_first, count=config.train.freeze_blocks)
    compute = partial(compute_outputs, model, inputs, precision=precision, forward=forward)
    making = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    shape = (len(store), *compute([ids[:1]]).shape[1:])
    outputs = np.lib.format.open_memmap(making / _OUTPUTS, mode="w+", dtype=np.float32, shape=shape)
    with count_steps(reporter, "computing frozen blocks") as progress:
        done = 0
        for batch in split_batches(ids, _BATCH):
            outputs[batch] = compute([batch])
            done += len(batch)
            progress(done, len(ids))
    outputs.flush()
    with new_file(making / _CHECKSUMS) as file:
        np.save(file, np.array([zlib.crc32(row.data) for row in outputs], dtype=np.int64))
    sync_folder(making)
    making.rename(folder)
    sync_folder(folder.parent)


def _load(folder: Path, *, clips: int) -> MappedPixels:
    def damaged(what: str) -> ClnormError:
        return ClnormError(f"is damaged: {what}", where=str(folder), hint="delete it, and it is computed anew")

    try:
        outputs = np.load(folder / _OUTPUTS, mmap_mode="r", allow_pickle=False)
        crc32 = np.load(folder / _CHECKSUMS, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise damaged(str(error)) from error
    if len(outputs) != clips or crc32.shape != (clips,):
        raise damaged(f"it holds {len(outputs)} clips and {len(crc32)} checksums, not {clips}")
    return MappedPixels(outputs, np.ones(clips, dtype=np.int64), crc32, damaged)
