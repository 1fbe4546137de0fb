"""The checks of what a norm keeps, tried on norms that break one each.

A class without a base is what a norm changes of `Good`, the Layer Normalization of conftest.py.
"""

import pytest
import torch

from clnorm.conformance import checks_state
from clnorm.conformance.report import Status
from clnorm.norms.batch import BatchNorm


class Running(BatchNorm):
    """Batch Normalization, to be broken in one way each."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels, eps=1e-5, momentum=0.1)


class KeepsANumberToItself:
    steps = 0

    def forward(self, x):
        if self.training:
            self.steps += 1
            return super().forward(x)
        return super().forward(x) * (1 + self.steps)


class HidesABuffer(Running):
    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        self.register_buffer("running_var", torch.ones(num_channels), persistent=False)


class TracksAlways(Running):
    tracked = True


class ThawsInEvaluation(Running):
    def train(self, mode=True):
        if not mode:
            self.frozen = False
        return super().train(mode)


class FrozenByTheBatch(Running):
    def by_running(self, x):
        return self.by_batch(x)[0] if self.training else super().by_running(x)


class StepsTwice:
    """Its number is saved and loaded, but is no buffer, so that a recomputation counts it again."""

    steps = 0

    def forward(self, x):
        if self.training:
            self.steps += 1
            return super().forward(x) * (1 + self.steps)
        return super().forward(x)

    def get_extra_state(self):
        return torch.tensor(self.steps)

    def set_extra_state(self, state):
        self.steps = int(state)


BROKEN = [
    (KeepsANumberToItself, "state_dict", "the output in evaluation differs by up to", ()),
    (HidesABuffer, "state_dict", "the output in evaluation differs by up to", ()),
    (TracksAlways, "tracking off", "running_mean and running_var and num_batches_tracked changed though the norm", ()),
    (ThawsInEvaluation, "freezing", "num_batches_tracked changed though it is frozen after eval() and train()", ()),
    (FrozenByTheBatch, "freezing", "a sample's output differs by up to", ()),
    (StepsTwice, "checkpointing", "in step 2 under activation checkpointing", {"gradients"}),
]


@pytest.mark.parametrize(("cls", "check", "detail", "also"), BROKEN, ids=[case[0].__name__ for case in BROKEN])
def test_a_broken_norm_fails_the_check_of_what_it_breaks(require_failure, cls, check, detail, also):
    require_failure(cls, check, detail, also)


def test_every_rule_of_these_checks_is_broken_by_some_norm(rules_of):
    assert {case[1] for case in BROKEN} == rules_of(checks_state)


def test_the_batch_norm_that_is_broken_above_is_good(try_norm):
    assert Status.FAILED not in {status for status, _ in try_norm(Running).values()}
