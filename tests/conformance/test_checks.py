"""Each check of the kit catches the norm that breaks its rule, and no other check does."""

import pytest

from clnorm.conformance import checks_numerics, checks_output, checks_state
from clnorm.conformance.kit import CHECKS
from clnorm.conformance.report import Status
from clnorm.errors import ClnormError
from tests.conformance import broken_numerics, broken_output, broken_state

BROKEN = {
    checks_output: broken_output.BROKEN,
    checks_state: broken_state.BROKEN,
    checks_numerics: broken_numerics.BROKEN,
}
CASES = [pytest.param(*case, id=case[0].__name__) for cases in BROKEN.values() for case in cases]


@pytest.mark.slow
@pytest.mark.parametrize(("cls", "check", "detail", "also"), CASES)
def test_a_broken_norm_fails_the_check_of_what_it_breaks(try_norm, cls, check, detail, also):
    """Where nothing else can be checked behind the failed one, nothing else must have been."""
    found = try_norm(cls)
    failed = {name for name, (status, _) in found.items() if status is Status.FAILED}
    assert detail in found[check][1]
    assert failed == {check, *also}
    if check in ("build", "output"):
        later = [found[each.name] for each in CHECKS if each.name not in ("build", "output")]
        assert set(later) == {(Status.NOT_APPLICABLE, f"the check {check!r} failed")}


def test_every_check_with_a_rule_is_broken_by_some_norm():
    rules = {(check.examine.__module__, check.name) for check in CHECKS if not check.measures}
    assert {(module.__name__, case[1]) for module, cases in BROKEN.items() for case in cases} == rules


class Unbroken:
    pass


@pytest.mark.slow
@pytest.mark.parametrize("cls", [Unbroken, broken_state.Running])
def test_the_norms_that_others_break_are_good(try_norm, cls):
    assert Status.FAILED not in {status for status, _ in try_norm(cls).values()}


class FailsInTwoLines:
    def forward(self, x):
        raise ValueError("boom in\n  forward")


@pytest.mark.slow
def test_a_message_of_several_lines_is_joined(try_norm):
    assert try_norm(FailsInTwoLines)["output"] == (Status.FAILED, "ValueError: boom in forward")


class RefusesOnePositionInTraining:
    def forward(self, x):
        if self.training and x.shape[1] == 1:
            raise ClnormError("one position")
        return super().forward(x) if self.training or x.shape[1] > 1 else x / 0


@pytest.mark.slow
def test_what_is_refused_in_training_is_evaluated_all_the_same(try_norm):
    found = try_norm(RefusesOnePositionInTraining)["one position"]
    assert found == (Status.FAILED, "the output is not finite in evaluation for an input of 4 x 1")


class StopsGradient:
    """Its scale is a constant to the gradient in training."""

    stop_gradient = True

    def compute(self, x):
        y = super().compute(x)
        return y * (1 + x.square().mean(-1, keepdim=True).detach()) if self.training else y


@pytest.mark.slow
def test_a_declared_stop_of_gradients_is_checked_in_evaluation_only_and_said(try_norm):
    note = "only in evaluation: it declares that training stops gradients"
    assert try_norm(StopsGradient)["gradients"] == (Status.PASSED, note)


@pytest.mark.slow
def test_an_undeclared_stop_of_gradients_fails(try_norm):
    class Undeclared(StopsGradient):
        stop_gradient = False

    assert try_norm(Undeclared)["gradients"][0] is Status.FAILED
