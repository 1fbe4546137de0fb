"""Which other norms a norm is equal to, and when: tried on numbers, in float64."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clnorm.catalogue import NORMS
from clnorm.conformance.norm_under_test import NOW, STEPS, NormUnderTest, create_context, evaluate, step
from clnorm.norms.calibrate import calibrate_norms
from clnorm.norms.context import provide_context
from clnorm.norms.running import evaluate_by_batch
from clnorm.norms.sites.build import build_norm

OTHERS = ("identity", "ln", "rms", "gn", "in", "bn", "cn")
"""The norms that it is held against, each at its defaults."""
TOLERANCE = 1e-3
"""The share of the largest output that outputs may differ by: what another eps makes."""
MOMENTS = {"training, first step": 0, "training, halfway": STEPS // 2, "training, last step": STEPS, "evaluation": NOW}
"""Moments of a run of `STEPS` steps, by the steps before them."""
EVALUATION = "evaluation"


@dataclass(frozen=True)
class Identity:
    """A norm gives what another one gives.

    Args:
        moment: of a run, one of `MOMENTS`.
        other: the other norm.
        is_scaled: only up to a scale and a shift of each channel, the same for all inputs.
        difference: the largest one of the outputs, over the largest output.
    """

    moment: str
    other: str
    is_scaled: bool
    difference: float

    def describe(self) -> str:
        """The relation in words."""
        if self.other != "identity":
            return f"{self.other}, up to a fixed scale and shift of each channel" if self.is_scaled else self.other
        return "a fixed scale and shift of each channel of its input" if self.is_scaled else "its input"


def find_identities(subject: NormUnderTest) -> list[Identity]:
    """What a norm is equal to on two inputs (8, 5, C) at each moment of a run whose parameters stay where they start.

    A scale and a shift of each channel are fitted on the first input and must hold on the second one, which lies
    elsewhere: what depends on the batch does not.

    Args:
        subject: the norm.
    """
    found = []
    for moment, steps in MOMENTS.items():
        own = _outputs(subject, moment, steps)
        here: list[Identity] = []
        for name in OTHERS:
            other = NormUnderTest(NORMS.parse(name), subject.num_channels)
            if str(other.spec) != str(subject.spec):
                here += _compare(own, _outputs(other, moment, steps), moment=moment, name=name)
        of_input = [each for each in here if each.other == "identity"]
        # All that are a scale and shift of the input are such of each other, which says no more.
        found += [each for each in here if not (of_input and each.is_scaled)] + [e for e in of_input if e.is_scaled]
    return found


def _outputs(subject: NormUnderTest, moment: str, steps: int) -> tuple[Tensor, Tensor]:
    """What it gives for two inputs, each from the state that it has after so many steps, (8 * 5, C) in float64."""
    norm = build_norm(subject.spec, subject.num_channels).double().train()
    if subject.calibrated:
        calibrate_norms(norm, [subject.draw().double()])
    for index in range(steps):
        step(norm, subject.draw(seed=index).double(), min(index, STEPS - 1), backward=False)
    first, second = subject.draw(seed=101).double(), 2 * subject.draw(seed=102).double() + 1
    return tuple(_output(copy.deepcopy(norm), x, moment, steps) for x in (first, second))  # type: ignore[return-value]


@torch.no_grad()
def _output(norm: nn.Module, x: Tensor, moment: str, steps: int) -> Tensor:
    if moment == EVALUATION:
        with evaluate_by_batch(norm):
            return evaluate(norm, x).flatten(0, 1)
    provide_context(norm, create_context(steps, len(x)))
    y: Tensor = norm(x)
    return y.flatten(0, 1)


def _compare(own: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], *, moment: str, name: str) -> list[Identity]:
    """The strongest relation that holds, if one does."""
    largest = max(float(y.abs().max()) for y in own)
    plain = max(float((y - r).abs().max()) for y, r in zip(own, other, strict=True)) / largest
    if plain <= TOLERANCE:
        return [Identity(moment, name, is_scaled=False, difference=plain)]
    scale, shift = fit_channels(other[0], own[0])
    pairs = zip(own, other, strict=True)
    fitted = max(float((y - (scale * r + shift)).abs().max()) for y, r in pairs) / largest
    return [Identity(moment, name, is_scaled=True, difference=fitted)] if fitted <= TOLERANCE else []


def fit_channels(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """a and c (C,) of the least squares y = a x + c of each channel, x and y (n, C); a = 0 where x is constant."""
    centred = x - x.mean(dim=0)
    spread = centred.square().sum(dim=0)
    scale = torch.where(spread > 0, (centred * y).sum(dim=0) / spread.clamp(min=torch.finfo(x.dtype).tiny), 0.0)
    return scale, y.mean(dim=0) - scale * x.mean(dim=0)


def folds(identities: list[Identity]) -> bool:
    """Whether in evaluation it is a fixed scale and shift of each channel, which a linear layer behind it absorbs."""
    return any(each.moment == EVALUATION and each.other == "identity" for each in identities)
