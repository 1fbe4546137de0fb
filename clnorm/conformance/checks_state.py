"""Checks of a norm's state: that it is saved whole, and stands still when it should."""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from clnorm.conformance.compare import require_close, require_same
from clnorm.conformance.norm_under_test import (
    NOW,
    SAMPLES,
    STEPS,
    NormUnderTest,
    Outcome,
    create_context,
    evaluate,
    list_state,
    run,
    step,
)
from clnorm.conformance.report import NotApplicable, Violation
from clnorm.errors import ClnormError
from clnorm.execution.checkpointing import checkpoint_blocks
from clnorm.norms.context import provide_context
from clnorm.norms.running import give_statistics, running_norms, statistics_of


def check_state_dict(subject: NormUnderTest) -> None:
    """Saved in the middle of a run and loaded into a new norm, training goes on as without, to the bit."""
    norm, other = subject.train(NOW), subject.build(seed=1)
    state = copy.deepcopy(norm.state_dict())
    if odd := [name for name, value in state.items() if not isinstance(value, Tensor)]:
        raise Violation(f"{' and '.join(odd)} in its state_dict is no tensor")
    other.load_state_dict(state)
    when = "after the state_dict was loaded into a new norm"
    outputs = [_evaluate_bare(each, subject) for each in (other, norm)]
    if outputs[0] is not None and outputs[1] is not None:
        require_close(outputs[0], outputs[1], what="the output in evaluation", when=when)
    for index in range(NOW, STEPS):
        got, expected = (step(each, subject.draw(seed=index), index) for each in (other, norm))
        require_same(got, expected, when=f"{index - NOW + 1} steps {when}")
    got, expected = (Outcome(evaluate(each, subject.draw())) for each in (other, norm))
    require_same(got, expected, when=f"in evaluation {when}")


@torch.no_grad()
def _evaluate_bare(norm: nn.Module, subject: NormUnderTest) -> Tensor | None:
    """The output in evaluation before any new context could mend what was not loaded; None where it needs a context."""
    provide_context(norm, None)
    norm.eval()
    try:
        outputs: Tensor = norm(subject.draw())
        return outputs
    except ClnormError:
        if not getattr(norm, "needs", ()):
            raise
        return None
    finally:
        norm.train()


def check_tracking_off(subject: NormUnderTest) -> None:
    """With `update=none`, a batch leaves running statistics as they are, to the bit."""
    norm = subject.train()
    _require_statistics(norm, subject)
    if not running_norms(norm):
        raise NotApplicable("it is no RunningNorm, so that it has no option `update`")
    give_statistics(norm, replace(statistics_of(norm), update="none"))
    if changed := _changed_by_step(norm, subject):
        raise Violation(f"{' and '.join(changed)} changed though the norm was given update=none")


def check_freezing(subject: NormUnderTest) -> None:
    """With `frozen`, training goes by running statistics, not the batch's, and keeps them, also after eval()."""
    norm = subject.train()
    _require_statistics(norm, subject)
    if not hasattr(norm, "frozen"):
        raise NotApplicable("it has no attribute `frozen`")
    norm.frozen = True  # type: ignore[assignment]  # an attribute of the norm's own
    for again in ("", " after eval() and train()"):
        if changed := _changed_by_step(norm, subject):
            raise Violation(f"{' and '.join(changed)} changed though it is frozen{again}")
        whole, half = (step(norm, subject.draw()[:count], NOW, backward=False).y for count in (SAMPLES, SAMPLES // 2))
        when = f"in training with the other samples of the batch though it is frozen{again}"
        require_close(whole[: len(half)], half, what="a sample's output", when=when, tolerance=1e-5)
        norm.eval()
        norm.train()


def _require_statistics(norm: nn.Module, subject: NormUnderTest) -> None:
    if not _changed_by_step(copy.deepcopy(norm), subject):
        raise NotApplicable("a training step changes no buffer")


def _changed_by_step(norm: nn.Module, subject: NormUnderTest) -> list[str]:
    """The buffers that a training step changes, beside those that its context changes, such as a schedule."""
    provide_context(norm, create_context(NOW, len(subject.draw())))
    before = list_state(norm)
    after = run(norm, subject.draw(), backward=False).buffers
    return [name for name, buffer in after.items() if not torch.equal(buffer, before[name])]


def check_checkpointing(subject: NormUnderTest) -> None:
    """Computed a second time in the backward pass, gradients and buffers are those of the plain pass, to the bit."""
    plain, block = subject.build(), subject.build()
    checkpoint_blocks(_Backbone(block))
    for index in range(STEPS):
        got, expected = (step(norm, subject.draw(seed=index), index) for norm in (block, plain))
        require_same(got, expected, when=f"in step {index + 1} under activation checkpointing")


class _Backbone(nn.Module):
    """A model of one block."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([block])
