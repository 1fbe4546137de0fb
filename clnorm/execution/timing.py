"""The fastest way to execute a model on this machine, found by a short probe."""

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.config.sections import TrainConfig
from clnorm.errors import ClnormError, UserError
from clnorm.execution.attention import list_switches
from clnorm.execution.execution import Execution, compile_errors, prepare_model
from clnorm.execution.precision import autocast
from clnorm.norms import RunningNorm, StepContext, provide_context
from clnorm.seeding import derive_seed

Steps = Mapping[str, Callable[[], None]]

_CLIPS, _BLOCKS, _ROUNDS = 4, 2, 5
_WORTH = 0.95  # the share of the plain way's time that another way may take to be chosen


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


def choose_execution(
    model: nn.Module,
    recipe: TrainConfig,
    *,
    device: torch.device,
    input_shape: tuple[int, int, int, int],
    measure: Callable[[Steps, torch.device], Mapping[str, float]] = time_steps,
) -> Execution:
    """How a model is to be executed: as the recipe says, and with `precision=auto` as is fastest here.

    The probe times a training step (forward and backward pass, no optimizer) of random clips on copies of the model cut
    to two blocks, since blocks cost the same; up to four clips, six times each. It tries fp32 and, but on a GPU without
    it, bf16; on a CPU fused and explicit attention; and then the best of these compiled, where there is a compiler.
    What the recipe fixes is not varied. Another way than fp32, fused and not compiled must take 5 % less time, and
    compilation 5 % less than none. For `lsvit_tiny` at 112 pixels on one CPU core it takes about 20 s, and a minute or
    more on top where compilation is tried.

    Args:
        model: a backbone, its norms swapped, not yet prepared; it is left as it is, and so are torch's generators.
        recipe: how the run trains.
        device: where the run trains.
        input_shape: of one clip, (T, 3, H, W).
        measure: seconds of each of the named steps on the device.

    Raises:
        UserError: compilation with checkpointing, or explicit attention of a model that has no switch for it.
        ClnormError: the recipe wants the model compiled, and it cannot be.
    """
    if recipe.compile is True and recipe.checkpointing:
        raise UserError(
            "a compiled model decides itself what to keep", where="train.checkpointing", legal="false with compile=true"
        )
    plain = Execution(
        precision="fp32" if recipe.precision == "auto" else recipe.precision,
        attention="fused" if recipe.attention == "auto" else recipe.attention,
        compile=recipe.compile is True,
    )
    if recipe.precision != "auto":
        return plain
    time_ways = partial(_time_ways, model, recipe, device=device, input_shape=input_shape, measure=measure)
    measured: dict[str, float | None] = {}
    ways = _list_ways(model, recipe, plain, device)
    measured.update(time_ways(ways))
    chosen = _pick(ways, measured)
    if recipe.compile == "auto" and not recipe.checkpointing and _can_compile(device):
        ways = [chosen, replace(chosen, compile=True)]
        try:
            measured.update(time_ways(ways))
            chosen = _pick(ways, measured)
        except ClnormError:
            measured[ways[1].label] = None
    return replace(chosen, measured=measured)


def _list_ways(model: nn.Module, recipe: TrainConfig, plain: Execution, device: torch.device) -> list[Execution]:
    """What is tried, uncompiled unless the recipe says so; the plain way first."""
    cuda = device.type == "cuda"
    precisions = ["fp32", "bf16"] if not cuda or torch.cuda.is_bf16_supported() else ["fp32"]
    vary = recipe.attention == "auto" and not cuda and list_switches(model)
    attentions = ["fused", "explicit"] if vary else [plain.attention]
    return [
        replace(plain, precision=precision, attention=attention) for precision in precisions for attention in attentions
    ]


def _pick(ways: list[Execution], measured: Mapping[str, float | None]) -> Execution:
    """The fastest, if that is worth leaving the first."""
    seconds = [measured[way.label] for way in ways]
    best = min(range(len(ways)), key=seconds.__getitem__)
    return ways[best] if seconds[best] <= _WORTH * seconds[0] else ways[0]


def _time_ways(
    model: nn.Module,
    recipe: TrainConfig,
    ways: list[Execution],
    *,
    device: torch.device,
    input_shape: tuple[int, int, int, int],
    measure: Callable[[Steps, torch.device], Mapping[str, float]],
) -> dict[str, float]:
    piece = -(-recipe.batch_size // recipe.accumulate)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derive_seed(0, "probe"))
        clips = torch.rand(min(piece, _CLIPS), *input_shape).mul_(2).sub_(1).to(device)
        steps = {way.label: _create_step(model, recipe, way, clips) for way in ways}
        for way in ways:
            if way.compile:
                steps[way.label]()  # compiles it
        return {name: float(seconds) for name, seconds in measure(steps, device).items()}


def _create_step(model: nn.Module, recipe: TrainConfig, way: Execution, clips: Tensor) -> Callable[[], None]:
    """A training step of a copy of the model's first blocks (of the whole model, where it has none)."""
    cut = copy.deepcopy(model).to(clips.device).train()
    blocks = getattr(cut, "blocks", None)
    if isinstance(blocks, (nn.ModuleList, nn.Sequential)):
        del blocks[_BLOCKS:]
    prepare_model(cut, recipe, way)
    targets = torch.zeros(len(clips), dtype=torch.long, device=clips.device)
    # Norms that want statistics estimated before they train are content with those that they start from: time is all.
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
    return device.type == "cuda"


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
