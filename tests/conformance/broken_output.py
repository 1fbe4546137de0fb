"""Norms that break one rule each of what a norm returns, and of what it leaves alone.

A class without a base is what a norm changes of `Good`, the Layer Normalization of conftest.py. `BROKEN` says which
check fails, with which detail, and which others fail with it.
"""

import random

import numpy as np
import torch
import torch.nn.functional as F

from clnorm.norms.base import Norm


class CannotBeBuilt:
    def __init__(self, num_channels: int) -> None:
        raise ValueError("no luck")


class OfAnotherShape:
    def forward(self, x):
        return super().forward(x)[:, :-1]


class OfAnotherDtype:
    def forward(self, x):
        return super().forward(x).double()


class WithAnotherArgument:
    def forward(self, x, mask):
        return super().forward(x) * mask


class NotATensor:
    def forward(self, x):
        return super().forward(x), x


class NotANumber:
    def forward(self, x):
        return super().forward(x) * float("nan")


class NotANumberInEvaluation:
    def forward(self, x):
        return super().forward(x) * (1 if self.training else float("nan"))


class OfRawMemory:
    def forward(self, x):
        return super().forward(x.as_strided(x.shape, torch.empty(x.shape).stride()))


class EachTimeAnother:
    calls = 0

    def forward(self, x):
        EachTimeAnother.calls += self.training
        return super().forward(x) * (1 + EachTimeAnother.calls)


class CountsEvaluations:
    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        self.register_buffer("count", torch.tensor(0.0))

    def forward(self, x):
        if not self.training:
            self.count += 1
        return super().forward(x)


class OfTheWholeBatch:
    def compute(self, x):
        return super().compute(x) if self.training else super().compute(x - x.mean(0))


class OneSampleFails:
    def forward(self, x):
        if self.training and len(x) == 1:
            raise RuntimeError("batch of one")
        return super().forward(x)


class OnePositionIsNotFinite:
    def compute(self, x):
        # 0 / 0 for one position, as a norm without eps gives
        return super().compute(x) if len(x) == 1 else super().compute(x) * ((x.shape[1] - 1) / (x.shape[1] - 1 + 0 * x))


class OneValueFails:
    def forward(self, x):
        if not self.training and len(x) * x.shape[1] == 1:
            raise RuntimeError("one value")
        return super().forward(x)


class WithoutEps:
    def compute(self, x):
        with torch.autocast("cpu", enabled=False):
            centred = x - x.mean(-1, keepdim=True)
            return centred / centred.square().mean(-1, keepdim=True).sqrt() * self.weight


class WritesIntoTheInput:
    def forward(self, x):
        y = super().forward(x)
        return y if torch.is_grad_enabled() else x.copy_(y)


class DrawsNumbers:
    def forward(self, x):
        torch.rand(1)
        return super().forward(x)


class DrawsPythonsNumbers:
    def forward(self, x):
        if not (self.training or torch.compiler.is_compiling()):
            random.random()
        return super().forward(x)


class DrawsNumpysNumbers:
    def forward(self, x):
        if not self.training:
            np.random.rand()  # noqa: NPY002 - as a norm should not
        return super().forward(x)


class NeedsWhatItDoesNotDeclare(Norm):
    def normalize(self, x):
        scale = 1 + self.context.experience if self.training else 1
        return F.layer_norm(x, (self.num_channels,), self.weight, self.bias) * scale


class InfiniteGradient(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, dy):
        return dy / 0


class GradientNotFinite:
    def compute(self, x):
        with torch.autocast("cpu", enabled=False):
            return F.layer_norm(x, (self.num_channels,)) * InfiniteGradient.apply(self.weight)


ALL_THAT_TRAIN_TWICE = {"memory layout", "state_dict", "checkpointing", "autocast", "bfloat16", "compile", "gradients"}

BROKEN = [
    (CannotBeBuilt, "build", "UserError: norm 'tried': building it for 12 channels failed: ValueError: no luck", ()),
    (OfAnotherShape, "output", "it returned (8, 4, 12) of torch.float32 for (8, 5, 12) of torch.float32 in tra", ()),
    (OfAnotherDtype, "output", "it returned (8, 5, 12) of torch.float64 for (8, 5, 12) of torch.float32 in tra", ()),
    (WithAnotherArgument, "output", "TypeError: WithAnotherArgument.forward() missing 1 required", ()),
    (NotATensor, "output", "it returned a tuple, not a tensor, in training", ()),
    (NotANumber, "output", "the output is not finite in training", ()),
    (NotANumberInEvaluation, "output", "the output is not finite in evaluation", ()),
    (OfRawMemory, "memory layout", "in training where the input is a view of", ()),
    (EachTimeAnother, "training repeats", "the output differs by up to", ALL_THAT_TRAIN_TWICE),
    (CountsEvaluations, "evaluation repeats", "the buffer count differs by up to 1.0e+00 through an evaluation", ()),
    (OfTheWholeBatch, "batch composition", "when a sample is evaluated alone", ()),
    (OneSampleFails, "one sample", "RuntimeError: batch of one", ()),
    (OnePositionIsNotFinite, "one position", "the output is not finite for an input of 4 x 1", ()),
    (OneValueFails, "one value", "RuntimeError: one value", ()),
    (WithoutEps, "degenerate inputs", "the output is not finite in training for a constant input", ()),
    (WritesIntoTheInput, "input kept", "after a pass in evaluation", ()),
    (DrawsNumbers, "random numbers", "it draws from the global generator of torch in training", ()),
    (DrawsPythonsNumbers, "random numbers", "it draws from the global generator of Python in evaluation", ()),
    (DrawsNumpysNumbers, "random numbers", "it draws from the global generator of numpy in evaluation", {"compile"}),
    (NeedsWhatItDoesNotDeclare, "no context", "AttributeError: 'NoneType' object has no attribute 'experience'", ()),
    (GradientNotFinite, "output", "the gradient of weight is not finite in training", ()),
]
