"""How long a training step takes in each way that a model can be executed in: what `clnorm time` measures."""

import copy
import os
import shutil
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.config.config import Config
from clnorm.config.sections import TrainConfig
from clnorm.errors import ClnormError
from clnorm.execution.attention import list_switches
from clnorm.execution.execution import Execution, choose_execution, compile_errors, prepare_model
from clnorm.execution.precision import autocast, resolve_device
from clnorm.models.create import create_model
from clnorm.norms import RunningNorm, StepContext, provide_context
from clnorm.progress import Reporter
from clnorm.seeding import derive_seed, seeded_torch, torch_generator

Steps = Mapping[str, Callable[[], None]]
Measure = Callable[[Steps, torch.device], Mapping[str, float]]

KEYS = ("precision", "attention", "compile")
_CLIPS, _BLOCKS, _ROUNDS, _CLASSES = 4, 2, 5, 10
_WORTH = 0.95  # the share of the first way's time that another one may take to be named


@dataclass(frozen=True)
class Timing:
    """What a step takes in each way.

    Args:
        ways: those that were tried, the plain one first.
        seconds: of each, by its `Execution.label`; None where the model cannot be compiled.
        clips: that passed the model in a step.
        blocks: of the model that they passed, or `all`.
        device: cpu or cuda.
    """

    ways: list[Execution]
    seconds: dict[str, float | None]
    clips: int
    blocks: int | str
    device: str

    @property
    def best(self) -> Execution:
        """The fastest way, if it takes a twentieth less than the first; else the first."""
        first, *others = [way for way in self.ways if self.seconds[way.label] is not None]
        fastest = min([first, *others], key=self._time)
        return fastest if self._time(fastest) <= _WORTH * self._time(first) else first

    @property
    def settings(self) -> list[str]:
        """The keys of the best way, as `--set` takes them."""
        return [f"train.{key}={str(getattr(self.best, key)).lower()}" for key in KEYS]

    def ratio(self, way: Execution) -> float | None:
        """The time of a way over that of the first."""
        seconds, first = self.seconds[way.label], self.seconds[self.ways[0].label]
        return None if seconds is None or first is None else seconds / first

    def to_dict(self) -> dict[str, Any]:
        """The timing in JSON's types."""
        rows = [
            {key: getattr(way, key) for key in KEYS} | {"seconds": self.seconds[way.label], "ratio": self.ratio(way)}
            for way in self.ways
        ]
        sizes = {"device": self.device, "clips": self.clips, "blocks": self.blocks}
        return {**sizes, "ways": rows, "set": self.settings}

    def _time(self, way: Execution) -> float:
        return self.seconds[way.label] or 0.0


def time_config(config: Config, *, fixed: Collection[str] = (), reporter: Reporter | None = None) -> Timing:
    """Time the ways to execute the model of a configuration, on random clips; no dataset is read.

    The head has a few classes, whatever the dataset, and the weights are drawn: neither changes the time.

    Args:
        config: `backbone`, `norm`, `data.frames`, `data.image_size` and `train` count.
        fixed: which of `KEYS` are to be as they are there; the others are varied.
        reporter: told of the progress.

    Raises:
        UserError: as `clnorm.create_model` and `choose_execution`, or a device that is not there.
        ClnormError: the model is to be compiled, and cannot be.
    """
    device = resolve_device(config.train.device, config.train.precision if "precision" in fixed else "fp32")
    size = config.data.image_size
    model = create_model(
        config.backbone,
        norm=config.norm,
        num_classes=_CLASSES,
        image_size=size,
        num_frames=config.data.frames,
        seed=config.seed,
    )
    shape = (config.data.frames, 3, size, size)
    return time_ways(model, config.train, device=device, input_shape=shape, fixed=fixed, reporter=reporter)


def time_ways(
    model: nn.Module,
    recipe: TrainConfig,
    *,
    device: torch.device,
    input_shape: tuple[int, int, int, int],
    fixed: Collection[str] = (),
    reporter: Reporter | None = None,
    measure: Measure | None = None,
) -> Timing:
    """Time a training step (forward and backward pass, no optimizer) in each way on copies of the model.

    The copies are cut to two blocks, since blocks cost the same, and see up to four clips, six times each. Then the
    fastest is compiled, too, where there is a compiler, which takes a minute. Neither the model nor torch's generators
    are changed.

    Args:
        model: a backbone, its norms swapped, not yet prepared.
        recipe: how it trains.
        device: where it trains.
        input_shape: of one clip, (T, 3, H, W).
        fixed: which of `KEYS` are to be as in the recipe; its `auto` is varied all the same.
        reporter: told of the progress.
        measure: seconds of each of the named steps on the device; `time_steps` by default.
    """
    reporter = reporter or Reporter()
    fixed = {key for key in fixed if getattr(recipe, key) != "auto"}
    count = min(-(-recipe.batch_size // recipe.accumulate), _CLIPS)
    clips = torch.rand(count, *input_shape, generator=torch_generator(0, "clips to time"))

    def time_all(ways: list[Execution]) -> dict[str, float]:
        reporter.note(f"timing {', '.join(way.label for way in ways)}")
        steps = {way.label: _create_step(model, recipe, way, clips.mul(2).sub(1).to(device)) for way in ways}
        for way in ways:
            if way.compile or way is ways[0]:
                steps[way.label]()  # which compiles it, or is the first of all and slow for that
        return dict((measure or time_steps)(steps, device))

    ways = _list_ways(model, recipe, device, fixed)
    with seeded_torch(derive_seed(0, "probe"), device=device):
        seconds: dict[str, float | None] = {**time_all(ways)}
        if "compile" not in fixed and not recipe.checkpointing and recipe.kernels == "torch" and _can_compile(device):
            fastest = min(ways, key=lambda way: seconds[way.label] or 0.0)
            ways.append(replace(fastest, compile=True))
            seconds[ways[-1].label] = None
            with suppress(ClnormError):  # it cannot be compiled
                seconds.update(time_all([fastest, ways[-1]]))
    blocks = min(len(cast(nn.ModuleList, model.blocks)), _BLOCKS) if _has_blocks(model) else "all"
    return Timing(ways, seconds, len(clips), blocks, device.type)


def time_steps(steps: Steps, device: torch.device) -> dict[str, float]:
    """The median seconds of each step, all run in turns, since a machine's speed drifts; one round warms up.

    A step that takes a second or more in it, and over three times the fastest, keeps that time and is run no more.
    """
    first = {name: _time(step, device) for name, step in steps.items()}
    hopeless = {name for name, seconds in first.items() if seconds > max(1.0, 3 * min(first.values()))}
    rounds = [{name: _time(steps[name], device) for name in steps if name not in hopeless} for _ in range(_ROUNDS)]
    return {
        name: first[name] if name in hopeless else statistics.median(taken[name] for taken in rounds) for name in steps
    }


def _time(step: Callable[[], None], device: torch.device) -> float:
    _synchronize(device)
    started = time.perf_counter()
    step()
    _synchronize(device)
    return time.perf_counter() - started


def _list_ways(model: nn.Module, recipe: TrainConfig, device: torch.device, fixed: Collection[str]) -> list[Execution]:
    """What is tried but for compilation; the plain way first."""
    settled = choose_execution(model, recipe, device)
    precisions = ["fp32", "bf16"]
    if device.type == "cuda":
        half = ["bf16"] if torch.cuda.is_bf16_supported(including_emulation=False) else []
        precisions = ["fp32", *half, "fp16"]
    attentions = ["fused", "explicit"] if list_switches(model) else ["fused"]
    if "precision" in fixed:
        precisions = [settled.precision]
    if "attention" in fixed:
        attentions = [settled.attention]
    return [
        replace(settled, precision=precision, attention=attention, compile="compile" in fixed and settled.compile)
        for precision in precisions
        for attention in attentions
    ]


def _create_step(model: nn.Module, recipe: TrainConfig, way: Execution, clips: Tensor) -> Callable[[], None]:
    """A training step of a copy of the model's first blocks (of the whole model, where it has none)."""
    cut = copy.deepcopy(model).to(clips.device).train()
    if _has_blocks(cut):
        del cast(nn.ModuleList, cut.blocks)[_BLOCKS:]
    prepare_model(cut, recipe, way)
    targets = torch.zeros(len(clips), dtype=torch.long, device=clips.device)
    # Some norms refuse to train before their statistics are estimated; here only time matters.
    for norm in cut.modules():
        if isinstance(norm, RunningNorm):
            norm.num_batches_tracked.fill_(1)
    provide_context(cut, StepContext(tasks=targets, experience=0, progress=0.0))

    def step() -> None:
        cut.zero_grad()
        with compile_errors(way):
            with autocast(clips.device, way.precision):
                logits = cut(clips)
            F.cross_entropy(logits.float(), targets).backward()

    return step


def _can_compile(device: torch.device) -> bool:
    return device.type == "cuda" or shutil.which(os.environ.get("CXX", "g++")) is not None


def _has_blocks(model: nn.Module) -> bool:
    return isinstance(getattr(model, "blocks", None), (nn.ModuleList, nn.Sequential))


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
