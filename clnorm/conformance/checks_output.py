"""Checks of a norm's output: that it is one, and depends on nothing but what it should."""

import random

import numpy as np
import torch
from torch import Tensor, nn

from clnorm.conformance.compare import require_close, require_finite, require_same
from clnorm.conformance.norm_under_test import MODES, NOW, SAMPLES, NormUnderTest, Outcome, evaluate, list_state, step
from clnorm.conformance.report import NotApplicable, Violation
from clnorm.errors import ClnormError
from clnorm.norms.base import needs_of

_ROUNDING = 1e-5


def check_build(subject: NormUnderTest) -> None:
    """It can be built for so many channels."""
    subject.build()


def check_output(subject: NormUnderTest) -> None:
    """(S, L, C) becomes a finite tensor of the same shape and dtype, with finite gradients."""
    fresh = subject.build()
    outcome = step(fresh, subject.draw(), 0, call=_Checked(fresh, MODES[True]))
    require_finite(outcome, when=MODES[True])
    trained = subject.train()
    y = evaluate(trained, subject.draw(), call=_Checked(trained, MODES[False]))
    require_finite(Outcome(y), when=MODES[False])


class _Checked(nn.Module):
    """A norm whose output is looked at before anything is done with it."""

    def __init__(self, norm: nn.Module, when: str) -> None:
        super().__init__()
        self.norm, self.when = norm, when

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        if not isinstance(y, Tensor):
            raise Violation(f"it returned a {type(y).__name__}, not a tensor, {self.when}")
        if y.shape != x.shape or y.dtype != x.dtype:
            given, returned = ((tuple(tensor.shape), tensor.dtype) for tensor in (x, y))
            raise Violation(f"it returned {returned[0]} of {returned[1]} for {given[0]} of {given[1]} {self.when}")
        return y


def check_layout(subject: NormUnderTest) -> None:
    """How the input lies in memory makes no difference."""
    contiguous = subject.draw()
    wide = torch.zeros(*contiguous.shape[:2], 2 * subject.num_channels)
    wide[..., ::2] = contiguous
    views = {
        "a view of positions before samples": contiguous.transpose(0, 1).contiguous().transpose(0, 1),
        "a view of channels before positions": contiguous.transpose(1, 2).contiguous().transpose(1, 2),
        "every second channel of a wider tensor": wide[..., ::2],
    }
    for name, view in views.items():
        when = f"where the input is {name}"
        got, expected = (step(subject.train(), x, NOW) for x in (view, subject.draw()))
        require_same(got, expected, when=f"in training {when}", tolerance=_ROUNDING)
        outputs = [evaluate(subject.train(), x) for x in (view, subject.draw())]
        require_close(*outputs, what="the output", when=f"in evaluation {when}", tolerance=_ROUNDING)


def check_training_repeats(subject: NormUnderTest) -> None:
    """The same input and state give the same output, gradients and buffers, to the bit, in training."""
    once, again = (_repeat(subject) for _ in range(2))
    require_same(again, once, when="when the same training step is done again")


def _repeat(subject: NormUnderTest) -> Outcome:
    norm = subject.train()
    torch.default_generator.manual_seed(0)
    return step(norm, subject.draw(), NOW)


def check_evaluation_repeats(subject: NormUnderTest) -> None:
    """The same input gives the same output, to the bit, in evaluation, which changes no buffer."""
    norm = subject.train()
    once = evaluate(norm, subject.draw())
    before = list_state(norm)
    again = evaluate(norm, subject.draw())
    require_close(again, once, what="the output", when="when the same input is evaluated again")
    for name, buffer in list_state(norm).items():
        require_close(buffer, before[name], what=f"the buffer {name}", when="through an evaluation")


def check_composition(subject: NormUnderTest) -> None:
    """In evaluation, a sample's output does not depend on the other samples of its batch."""
    norm = subject.train()
    tasks = torch.arange(SAMPLES) % 2
    whole = evaluate(norm, subject.draw(), tasks=tasks)
    batches = {
        "alone": [[index] for index in range(SAMPLES)],
        "in a smaller batch": [[*range(0, SAMPLES, 3)]],
        "in another order": [[*reversed(range(SAMPLES))]],
    }
    for name, parts in batches.items():
        for part in parts:
            y = evaluate(norm, subject.draw()[part], tasks=tasks[part])
            when = f"when a sample is evaluated {name}"
            require_close(y, whole[part], what="its output", when=when, tolerance=_ROUNDING)


def check_one_sample(subject: NormUnderTest) -> None:
    """A batch of one sample trains, unless the norm refuses it."""
    _tell_refusal(_train_small(subject, samples=1, length=4))


def check_one_position(subject: NormUnderTest) -> None:
    """Samples of one position train and are evaluated, unless the norm refuses them."""
    in_training = _train_small(subject, samples=4, length=1)
    _tell_refusal(_evaluate_small(subject, samples=4) or in_training)


def check_one_value(subject: NormUnderTest) -> None:
    """One sample of one position is evaluated, unless the norm refuses it."""
    _tell_refusal(_evaluate_small(subject, samples=1))


def _tell_refusal(why: str) -> None:
    """Where the norm refuses an input with a ClnormError, the check does not apply."""
    if why:
        raise NotApplicable(why)


def _train_small(subject: NormUnderTest, *, samples: int, length: int) -> str:
    try:
        outcome = step(subject.train(), subject.draw(samples=samples, length=length), NOW)
    except ClnormError as error:
        return f"refuses it in training: {error}"
    require_finite(outcome, when=f"for an input of {samples} x {length}")
    return ""


def _evaluate_small(subject: NormUnderTest, *, samples: int) -> str:
    try:
        y = evaluate(subject.train(), subject.draw(samples=samples, length=1))
    except ClnormError as error:
        return f"refuses it in evaluation: {error}"
    require_finite(Outcome(y), when=f"in evaluation for an input of {samples} x 1")
    return ""


def check_degenerate(subject: NormUnderTest) -> None:
    """Large means, constant inputs and zeros give finite outputs and gradients."""
    shape = subject.draw().shape
    inputs = {
        "a mean of 10,000": subject.draw() + 1e4,
        "a constant input": torch.full(shape, 3.0),
        "an input of zeros": torch.zeros(shape),
    }
    for name, x in inputs.items():
        norm = subject.train()
        require_finite(step(norm, x.clone(), NOW), when=f"in training for {name}")
        require_finite(Outcome(evaluate(norm, x)), when=f"in evaluation for {name}")


def check_input_kept(subject: NormUnderTest) -> None:
    """The input is left as it is."""
    norm = subject.train()
    for training, when in MODES.items():
        x = subject.draw()
        if training:
            step(norm, x, NOW)
        else:
            evaluate(norm, x)
        require_close(x, subject.draw(), what="the input", when=f"after a pass {when}")


def check_random_numbers(subject: NormUnderTest) -> None:
    """No number is drawn from the global generators."""
    norm = subject.train()
    for training, when in MODES.items():
        before = _generator_states()
        if training:
            step(norm, subject.draw(), NOW)
        else:
            evaluate(norm, subject.draw())
        drawn = [name for name, state in _generator_states().items() if state != before[name]]
        if drawn:
            raise Violation(f"it draws from the global generator of {' and '.join(drawn)} {when}")


def _generator_states() -> dict[str, object]:
    of_numpy = np.random.get_state(legacy=False)["state"]  # noqa: NPY002 - whether others use it is the question
    return {
        "torch": torch.get_rng_state().tolist(),
        "Python": random.getstate(),
        "numpy": (of_numpy["key"].tolist(), of_numpy["pos"]),
    }


def check_no_context(subject: NormUnderTest) -> None:
    """A norm that declares no `needs` works without a context."""
    norm = subject.build()
    if needs := needs_of(norm):
        raise NotApplicable(f"it needs {', '.join(needs)}")
    if not hasattr(norm, "receive_context"):
        raise NotApplicable("it takes no context")
    for training in MODES:
        norm.train(training)
        norm(subject.draw())
