"""Norms that break one rule each of what a norm keeps.

A class without a base is what a norm changes of `Good`, the Layer Normalization of conftest.py. `BROKEN` says which
check fails, with which detail, and which others fail with it.
"""

import torch

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
