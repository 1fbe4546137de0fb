"""How long the parts of a run take on this machine: a few real steps of its model, norm and strategy on noise."""

import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import nn

from clnorm.config.config import Config
from clnorm.data.augment.presets import create_augmentation
from clnorm.data.store.sampling import Frames
from clnorm.data.store.store import ClipStore
from clnorm.data.table import ClipTable
from clnorm.environment import peak_memory_mb
from clnorm.execution.execution import choose_execution, prepare_model
from clnorm.execution.inputs import compute_outputs
from clnorm.execution.precision import resolve_device
from clnorm.models.create import create_model
from clnorm.norms.context import in_evaluation
from clnorm.progress import Reporter
from clnorm.streams.stream import ClipStream, stream_of
from clnorm.training.fit import build_strategy
from clnorm.training.norms.statistics import calibrate_at_start
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy

_STEPS, _FEW = 24, 8
"""Most steps of an experience, and the clips that follow them through what comes after."""


@dataclass(frozen=True)
class Probe:
    """What the parts of a run take.

    Args:
        start: seconds until the first step: the model is built.
        step: seconds of an optimizer step in the first experience, and in later ones; 0 where it takes none.
        after: seconds for each training clip when an experience ends, such as for a Fisher or statistics.
        predict: seconds for each test clip.
        memory_mb: of the process.
        model_bytes: of the kept model.
        strategy: which ran, for what it knows of lengths.
    """

    start: float
    step: tuple[float, float]
    after: float
    predict: float
    memory_mb: float
    model_bytes: int
    strategy: ClipStrategy


class Noise:
    """Pixels that no clip has, of a store's form.

    Args:
        size: height and width of a frame.
        tokens: (1, T, N, C) what frozen blocks make of such pixels, where that is kept and takes their place.
    """

    def __init__(self, size: int, tokens: torch.Tensor | None = None) -> None:
        self._tokens = tokens
        self._drawn = torch.randint(256, (1, 1, 3, size, size), dtype=torch.uint8, generator=torch.Generator())

    def take(self, clips: Frames, shown: Frames) -> torch.Tensor:
        if self._tokens is not None:
            return self._tokens.expand(len(clips), *self._tokens.shape[1:]).contiguous()
        return self._drawn.expand(*shown.shape, *self._drawn.shape[2:]).contiguous()


def probe(config: Config, table: ClipTable, *, seconds: float) -> Probe:
    """Run a few steps of two experiences as `clnorm run` does.

    Args:
        config: what to probe; its weights are not read, since they do not change the time.
        table: the clips, of which none is read.
        seconds: that it may take, about; the first step of each experience is always taken.

    Raises:
        UserError: options that cannot be used.
    """
    began = time.perf_counter()
    strategy = create_strategy(config, table)
    if config.model.calibrate:
        calibrate_at_start(strategy)
    start = time.perf_counter() - began
    steps, after = [], []
    for index in range(min(2, len(strategy.training_stream.experiences))):
        share = seconds / 3
        taken, rest = _train(strategy, index, seconds=share)
        steps.append(taken)
        after.append(rest)
    ids = strategy.setup.stream.test_ids[:_FEW]
    seen = [time.perf_counter()]
    for _ in range(3):
        compute_outputs(strategy.evaluated_model, strategy.inputs, [ids], precision=strategy.setup.execution.precision)
        seen.append(time.perf_counter())
        if seen[-1] - began > seconds:
            break
    return Probe(
        start=start,
        step=(steps[0], steps[-1]),
        after=after[-1],
        predict=min(np.diff(seen)) / len(ids),
        memory_mb=peak_memory_mb(strategy.device),
        model_bytes=sum(tensor.nbytes for tensor in strategy.evaluated_model.state_dict().values()),
        strategy=strategy,
    )


def create_strategy(config: Config, table: ClipTable) -> ClipStrategy:
    """The strategy of a run on noise, with a few clips an experience and one epoch."""
    device = resolve_device(config.train.device, config.train.precision)
    size, frames = config.data.image_size, config.data.frames
    config = replace(config, train=replace(config.train, epochs=1, balanced_epochs=0))
    model = create_model(
        config.backbone,
        norm=config.norm,
        num_classes=len(table.classes),
        image_size=size,
        num_frames=frames,
        unswapped_blocks=config.unswapped_blocks,
    )
    execution = choose_execution(model, config.train, device)
    prepare_model(model, config.train, execution)
    info = pd.DataFrame({"kept": np.full(len(table), 4 * frames), "reason": "", "sha256": ""})
    tokens = _pass_frozen(model, config) if config.train.keep_frozen else None
    store = ClipStore(Path(), info, frames, size, Noise(size, tokens))
    stream = stream_of(config, table)
    setup = Setup(
        config,
        model,
        store,
        _shorten(stream, _STEPS * config.train.batch_size),
        device,
        Reporter(),
        lambda line: None,
        execution,
        create_augmentation(config.data.augment, table.classes),
    )
    return build_strategy(setup)


@torch.no_grad()
def _pass_frozen(model: nn.Module, config: Config) -> torch.Tensor:
    """What the frozen blocks make of a clip of nothing: (1, T, N, C)."""
    clip = torch.zeros(1, config.data.frames, 3, config.data.image_size, config.data.image_size)
    model.kept_blocks = config.train.freeze_blocks  # type: ignore[assignment]  # before a method copies the model
    with in_evaluation(model):
        return cast(torch.Tensor, cast(Any, model).forward_first(clip, config.train.freeze_blocks))


def _shorten(stream: ClipStream, count: int) -> ClipStream:
    """The stream with at most `count` training clips an experience, of all of its classes."""

    def choose(ids: np.ndarray) -> np.ndarray:
        return ids[np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(np.int64)]

    parts = [replace(part, train_ids=choose(part.train_ids)) for part in stream.experiences]
    return replace(stream, experiences=tuple(parts))


def _train(strategy: ClipStrategy, index: int, *, seconds: float) -> tuple[float, float]:
    """Seconds of a step of an experience, and for each clip of what comes after all steps."""
    whole, ends = strategy.training_stream, [time.perf_counter()]

    def on_step() -> None:
        ends.append(time.perf_counter())
        if (ends[-1] - ends[0] > seconds and len(ends) > 2) or strategy.ends_epoch:
            strategy.stop_training()
            strategy.training_stream = _shorten(whole, _FEW)  # for what comes after

    strategy.on_step = on_step
    strategy.train_experience(index)
    rest = time.perf_counter() - ends[-1]
    few = len(strategy.training_stream.experiences[index].train_ids)
    strategy.training_stream = whole
    taken = np.diff(ends)
    return statistics.median(taken[1:] if len(taken) > 1 else taken) if len(taken) else 0.0, rest / few
