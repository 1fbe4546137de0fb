"""Norms that break one rule each of precision, compilation and gradients.

A class without a base is what a norm changes of `Good`, the Layer Normalization of conftest.py. `BROKEN` says which
check fails, with which detail, and which others fail with it.
"""

import torch
import torch.nn.functional as F
from torch import nn


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
