"""Batch Normalization."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clnorm.norms.base import RunningNorm
from clnorm.norms.kernels.moments import batch_moments, batch_stage
from clnorm.norms.kernels.passes import passes_for
from clnorm.norms.kernels.sharing import is_shared
from clnorm.norms.kernels.transform import is_small, refuse_second_derivative, transform


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, *tracked: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Batch Normalization of (S, L, C) by its own moments; y, and the moments (C,) to track, as in `batch_stage`."""
    if not tracked and not is_shared() and not torch.compiler.is_compiling():
        parts = x.reshape(_count_parts(x.shape[0] * x.shape[1]), -1, x.shape[2]).detach()
        mean, var = batch_moments(*passes_for(parts).read_moments(parts))
        if is_small(mean * (var + eps).rsqrt()):
            y = _ByMoments.apply(x.reshape(-1, x.shape[2]), weight, bias, mean, var, eps)
            return y.view(x.shape), mean, var
    y, mean, var = transform(x, partial(batch_stage, eps=eps), weight, bias, *tracked)
    return y, mean, var


class _ByMoments(torch.autograd.Function):
    """Batch Normalization of rows (R, C) by moments (C,) that are their own, with torch's kernels for both passes.

    These lose digits where a mean is large, so they are for others; for these they cost less than `transform`, since a
    sample's channel does not matter here.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(rows, weight, mean, (var + eps).rsqrt())
        ctx.eps = eps
        return F.batch_norm(rows, mean, var, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        rows, weight, mean, inverse = ctx.saved_tensors
        gradients = torch.ops.aten.native_batch_norm_backward(
            dy.contiguous(), rows, weight, None, None, mean, inverse, True, ctx.eps, [True, True, True]
        )
        return *gradients, None, None, None


def fixed_norm(x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, *, eps: float) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias with given statistics: Batch Normalization in evaluation.

    Args:
        x: (S, L, C); all others (C,), in x's dtype.
    """
    return F.batch_norm(x.reshape(-1, x.shape[2]), mean, var, weight, bias, eps=eps).view(x.shape)


class BatchNorm(RunningNorm):
    """Batch Normalization: (x - mu_c) / sqrt(var_c + eps) * weight + bias.

    In training mu and var are the batch's over samples and positions (var biased); in evaluation the running ones
    (var unbiased). Ioffe and Szegedy, ICML 2015.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics.
    """

    def by_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return batch_norm(x, *self.affine(x.dtype), *self.tracked_weights(len(x)), eps=self.eps)

    def by_running(self, x: Tensor) -> Tensor:
        return fixed_norm(x, *self.running(x.dtype), *self.affine(x.dtype), eps=self.eps)


def _count_parts(rows: int) -> int:
    """The largest divisor of `rows` up to 64: enough parts for the threads of a CPU."""
    return next(parts for parts in range(min(rows, 64), 0, -1) if rows % parts == 0)
