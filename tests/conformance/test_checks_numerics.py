"""The checks of precision, compilation and gradients, tried on norms that break one each.

A class without a base is what a norm changes of `Good`, the Layer Normalization of conftest.py.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.conformance import checks_numerics
from clnorm.conformance.report import Status


class WithAutocastInside:
    def compute(self, x):
        return super().compute(x) @ torch.eye(self.num_channels, dtype=x.dtype)


class Half:
    """It computes in the input's own precision."""

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * self.weight.to(x.dtype)


class HalfWithoutAutocast(Half):
    def forward(self, x):
        return super(Half, self).forward(x) if torch.is_autocast_enabled("cpu") else super().forward(x)


class Float32IsReturned:
    def forward(self, x):
        y = super().forward(x)
        return y.float() if x.dtype == torch.bfloat16 and not torch.is_autocast_enabled("cpu") else y


class AsksTheDevice:
    def forward(self, x):
        return super().forward(x) if x.abs().max().item() < 1e30 else x


class OtherWhenCompiled:
    def forward(self, x):
        return super().forward(x) * (2 if torch.compiler.is_compiling() else 1)


class CompiledInOnePass:
    """Its compiled form takes the variance for E[x^2] - E[x]^2, which a large mean cancels."""

    def compute(self, x):
        if not torch.compiler.is_compiling():
            return super().compute(x)
        mean = x.mean(-1, keepdim=True)
        var = (x.square().mean(-1, keepdim=True) - mean.square()).clamp(min=0)
        return (x - mean) * (var + 1e-5).rsqrt() * self.weight


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy


class WrongGradient:
    def compute(self, x):
        return Doubled.apply(super().compute(x))


class WrongWeightGradient:
    def compute(self, x):
        with torch.autocast("cpu", enabled=False):
            return F.layer_norm(x, (self.num_channels,)) * (2 * self.weight - self.weight.detach())


class UnusedParameter:
    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels)
        self.spare = nn.Parameter(torch.ones(1))


BROKEN = [
    (WithAutocastInside, "autocast", "the output differs by up to", ()),
    (Half, "bfloat16", "from float32's for a bfloat16 input in training", {"autocast"}),
    (HalfWithoutAutocast, "bfloat16", "from float32's for a bfloat16 input in training", ()),
    (Float32IsReturned, "bfloat16", "the output is torch.float32 for a bfloat16 input in training", ()),
    (AsksTheDevice, "compile", "ata-dependent", ()),
    (OtherWhenCompiled, "compile", "in training when it is compiled", ()),
    (CompiledInOnePass, "compile", "in training when it is compiled, for a mean of 10,000", ()),
    (WrongGradient, "gradients", "the gradient of the input is not that of finite differences in training", ()),
    (WrongWeightGradient, "gradients", "the gradient of weight is not that of finite differences in training", ()),
    (UnusedParameter, "parameters", "spare gets no gradient", ()),
]


@pytest.mark.parametrize(("cls", "check", "detail", "also"), BROKEN, ids=[case[0].__name__ for case in BROKEN])
def test_a_broken_norm_fails_the_check_of_what_it_breaks(require_failure, cls, check, detail, also):
    require_failure(cls, check, detail, also)


def test_every_rule_of_these_checks_is_broken_by_some_norm(rules_of):
    assert {case[1] for case in BROKEN} == rules_of(checks_numerics)


class StopsGradient:
    """Its scale is a constant to the gradient in training."""

    stop_gradient = True

    def compute(self, x):
        y = super().compute(x)
        return y * (1 + x.square().mean(-1, keepdim=True).detach()) if self.training else y


def test_a_declared_stop_of_gradients_is_checked_in_evaluation_only_and_said(try_norm):
    note = "only in evaluation: it declares that training stops gradients"
    assert try_norm(StopsGradient)["gradients"] == (Status.PASSED, note)


def test_an_undeclared_stop_of_gradients_fails(try_norm):
    class Undeclared(StopsGradient):
        stop_gradient = False

    assert try_norm(Undeclared)["gradients"][0] is Status.FAILED
