"""Moments of groups of channels and of batches, from those of each (sample, channel): small tensors, plain algebra.

Throughout, `mean` and `var` are (S, C): the mean and the biased variance of each sample's channel over its positions.
"""

import math
from typing import Any

import torch
from torch import Tensor

from clnorm.errors import UserError


def count_groups(groups: int | str, num_channels: int) -> int:
    """The number of channel groups at a site of `num_channels`; `auto` is gcd(num_channels, 32).

    Raises:
        UserError: `groups` does not divide `num_channels`.
    """
    if groups == "auto":
        return math.gcd(num_channels, 32)
    if not isinstance(groups, int) or groups < 1 or num_channels % groups:
        divisors = (str(number) for number in range(1, num_channels + 1) if num_channels % number == 0)
        legal = f"auto, {', '.join(divisors)}"
        raise UserError(f"groups={groups} does not divide {num_channels} channels", legal=legal, hint="or: groups=auto")
    return groups


def require_group_of_two(length: int, num_channels: int, groups: int) -> None:
    """Check that a group of channels at `length` positions holds more than one element.

    Raises:
        UserError: it holds one, so the output would be zero (or the bias) whatever x is.
    """
    if num_channels // groups * length == 1:
        raise UserError(
            f"{groups} groups of {num_channels} channels at one position leave one element in each: "
            "the output is constant",
            legal=f"fewer groups than {num_channels}, or an axis with more than one position",
            hint="axis=clip has all frames of a clip",
        )


def require_batch_of_two(samples: int, length: int) -> None:
    """Check that a batch holds more than one value of each channel.

    Raises:
        UserError: it holds one, which has no variance.
    """
    if samples * length == 1:
        raise UserError(
            "batch statistics of one value per channel: the output is constant",
            legal="two or more values of S x L in training",
            hint="use a larger batch, or evaluate with model.eval()",
        )


def group_stage(mean: Tensor, var: Tensor, *, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Group Normalization without affine map, z = (x - mu_g) * inverse, of something with moments `mean` and `var`.

    With groups of k channels, mu_g = 1/k sum_c mean_c, var_g = 1/k sum_c (var_c + (mean_c - mu_g)^2) and inverse =
    1 / sqrt(var_g + eps).

    Returns:
        The mean and the variance of z, and `inverse`: (S, C) each.
    """
    z, z_var, inverse = _GroupStage.apply(mean, var, groups, eps)
    return z, z_var, inverse


class _GroupStage(torch.autograd.Function):
    """Its own backward pass, since sums over a few neighbours are slow, and autograd would take eight of them."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, var: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        centred = mean - _average_groups(mean, groups)
        inverse = (_average_groups(torch.addcmul(var, centred, centred), groups) + eps).rsqrt()
        ctx.save_for_backward(centred, var, inverse)
        ctx.groups = groups
        return centred * inverse, var * inverse.square(), inverse

    @staticmethod
    def backward(ctx: Any, dz: Tensor, dz_var: Tensor, dinverse: Tensor) -> tuple[Tensor | None, ...]:
        centred, var, inverse = ctx.saved_tensors
        of_inverse = dinverse + dz * centred + dz_var * var * inverse * 2
        of_spread = _average_groups(of_inverse, ctx.groups) * inverse.pow(3)  # times -1/2, which the next lines take in
        of_centred = dz * inverse - centred * of_spread
        dvar = torch.sub(dz_var * inverse.square(), of_spread, alpha=0.5)
        return of_centred - _average_groups(of_centred, ctx.groups), dvar, None, None


def _average_groups(x: Tensor, groups: int) -> Tensor:
    """Each value of (S, C) replaced by the average of its group of channels."""
    grouped = x.reshape(len(x), groups, -1)
    return grouped.mean(2, keepdim=True).expand(grouped.shape).reshape(x.shape)


def group_moments(mean: Tensor, var: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """The mean of each channel relative to its group's, and the group's biased variance, as above: (S, C) each."""
    centred = mean - _average_groups(mean, groups)
    return centred, _average_groups(torch.addcmul(var, centred, centred), groups)


def batch_moments(mean: Tensor, var: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel over a batch, (C,) each; the samples weigh alike, or as `weights` (S,).

    mu = sum_s w_s mean_s and var = sum_s w_s (var_s + (mean_s - mu)^2), with weights that are scaled to a sum of 1.
    """
    if weights is None:
        mu = mean.mean(0)
        return mu, (var + (mean - mu).square()).mean(0)
    shares = (weights / weights.sum()).unsqueeze(1)
    mu = (shares * mean).sum(0)
    return mu, (shares * (var + (mean - mu).square())).sum(0)


def batch_stage(
    mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, *tracked: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Batch Normalization of something with moments `mean` and `var`: scale (C,), shift (S, C), and batch moments.

    y = weight * (x - mu) / sqrt(var_batch + eps) + bias, so scale = weight / sqrt(var_batch + eps) and shift =
    scale * (mean - mu) + bias. The moments returned, (C,) each, are those of the batch, or where weights (S,) are given
    as `tracked`, those of the batch weighted so: what running statistics are to take in.
    """
    scale, shift, mu, spread = _BatchStage.apply(mean, var, weight, bias, eps)
    return scale, shift, *(batch_moments(mean, var, *tracked) if tracked else (mu, spread))


class _BatchStage(torch.autograd.Function):
    """Its own backward pass, which has a third of the operations that autograd would take."""

    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mu = mean.mean(0)
        centred = mean - mu
        spread = torch.addcmul(var, centred, centred).mean(0)
        inverse = (spread + eps).rsqrt()
        scale = weight * inverse
        ctx.save_for_backward(centred, inverse, weight)
        return scale, torch.addcmul(bias, centred, scale), mu, spread

    @staticmethod
    def backward(ctx: Any, dscale: Tensor, dshift: Tensor, dmu: Tensor, dspread: Tensor) -> tuple[Tensor | None, ...]:
        centred, inverse, weight = ctx.saved_tensors
        of_scale = dscale + (dshift * centred).sum(0)
        of_spread = dspread - 0.5 * of_scale * weight * inverse.pow(3)
        samples = len(centred)
        of_centred = torch.addcmul(dshift * (weight * inverse), centred, of_spread * (2 / samples))
        dmean = of_centred - (of_centred.mean(0) - dmu / samples)
        dvar = (of_spread / samples).expand(centred.shape)
        return dmean, dvar, of_scale * inverse, dshift.sum(0), None


def fixed_stage(
    mean: Tensor, weight: Tensor, bias: Tensor, running_mean: Tensor, running_var: Tensor, *, eps: float
) -> tuple[Tensor, Tensor]:
    """As `batch_stage`, with given statistics (C,): scale (C,) and shift (S, C)."""
    scale = weight * (running_var + eps).rsqrt()
    return scale, torch.addcmul(bias, mean - running_mean, scale)
