"""What a norm costs in time and memory beside others, all measured in turns in one process."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clnorm.conformance.norm_under_test import NOW, NormUnderTest, create_context, draw
from clnorm.evaluation.stats import MedianInterval, median_interval
from clnorm.norms.context import provide_context, take_auxiliary_loss

SHAPES = ((64, 17, 96), (256, 65, 192), (128, 197, 768))
"""(S, L, C) of the inputs: of the smallest model here, of a tiny ViT, and of a base ViT."""
TRAINING = "forward and backward"
PASSES = ("forward", "backward", TRAINING, "evaluation")
"""What is timed: forward and backward in training, both together, and the forward pass in evaluation."""
_ROUNDS = 9

Shape = tuple[int, int, int]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Cost:
    """What one pass of one norm costs.

    Args:
        shape: of the input, (S, L, C).
        norm: its name.
        timed: one of `PASSES`.
        seconds: over rounds, with the interval of the median.
        ratios: by the norm that it is compared with, over the same rounds.
        memory: the most bytes that forward and backward held at a time, beside the input, over those of the input.
    """

    shape: Shape
    norm: str
    timed: str
    seconds: MedianInterval
    ratios: Mapping[str, MedianInterval]
    memory: float


def measure_costs(
    subjects: Mapping[str, NormUnderTest],
    *,
    shape: Shape,
    versus: Sequence[str],
    rounds: int = _ROUNDS,
    clock: Clock = time.perf_counter,
) -> list[Cost]:
    """Time the passes of norms in turns, in each round all of them; the first round is not counted.

    A machine's speed drifts, so that a ratio is made of two times of one round.

    Args:
        subjects: the norms by name, of as many channels as the shape has.
        shape: of the input, (S, L, C), float32.
        versus: the names of those that all are compared with.
        rounds: that are counted.
        clock: gives seconds.
    """
    passes = {name: _create_passes(subject, shape) for name, subject in subjects.items()}
    taken: dict[tuple[str, str], list[float]] = {(name, timed): [] for name in passes for timed in PASSES}
    for number in range(rounds + 1):
        for name, run in passes.items():
            for timed, seconds in run(clock):
                if number:
                    taken[name, timed].append(seconds)
    size = draw(*shape, seed=0).nbytes
    held = {name: peak_memory(lambda run=run: list(run(clock))) / size for name, run in passes.items()}  # type: ignore[misc]
    return [
        Cost(shape, name, timed, median_interval(own), _ratios(taken, own, timed, versus), held[name])
        for (name, timed), own in taken.items()
    ]


def rehearse(subject: NormUnderTest, shape: Shape) -> None:
    """Take a norm through all that is timed, once: whatever it raises on an input of this shape is raised now."""
    for _ in _create_passes(subject, shape)(time.perf_counter):
        pass


def _ratios(
    taken: Mapping[tuple[str, str], list[float]], own: Sequence[float], timed: str, versus: Sequence[str]
) -> dict[str, MedianInterval]:
    return {
        other: median_interval([mine / theirs for mine, theirs in zip(own, taken[other, timed], strict=True)])
        for other in versus
    }


def _create_passes(subject: NormUnderTest, shape: Shape) -> Callable[[Clock], Iterator[tuple[str, float]]]:
    """What runs all passes once and gives the seconds of each: of a norm in the second experience of a run."""
    norm = subject.train()
    x, dy = draw(*shape, seed=0).requires_grad_(), draw(*shape, seed=1)
    wanted: list[Tensor] = [x, *(parameter for parameter in norm.parameters() if parameter.requires_grad)]
    provide_context(norm, create_context(NOW, shape[0]))

    def run(clock: Clock) -> Iterator[tuple[str, float]]:
        norm.train()
        started = clock()
        y = norm(x)
        forward = clock() - started
        loss = take_auxiliary_loss(norm)
        outputs, gradients = ([y], [dy]) if loss is None else ([y, loss], [dy, None])
        started = clock()
        torch.autograd.grad(outputs, wanted, gradients, allow_unused=True)
        backward = clock() - started
        yield from (("forward", forward), ("backward", backward), (TRAINING, forward + backward))
        norm.eval()
        started = clock()
        _evaluate(norm, x)
        yield "evaluation", clock() - started

    return run


@torch.no_grad()
def _evaluate(norm: nn.Module, x: Tensor) -> None:
    norm(x)


def peak_memory(go: Callable[[], object]) -> int:
    """The most bytes that a call has allocated at a time, counted by torch's profiler; it is called once before."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else it writes to stderr that it starts and stops
    from torch.profiler import profile

    go()
    with profile(profile_memory=True) as profiler:
        go()
    held = most = 0
    found = profiler.profiler
    events = [] if found is None else [each for each in found.kineto_results.events() if each.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
