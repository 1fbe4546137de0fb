"""The two stages that norms are composed of, as functions of (S, L, C): moments of a sample's groups, and of a batch.

Both subtract a centre before they call torch, because torch's channels-last CPU kernels lose digits where a mean is
large against its deviation: group_norm takes E[x^2] - E[x]^2 (at a mean of 1000 deviations an output is off by up to a
quarter), batch_norm adds its rows up one by one. A shift by a constant of each group (or channel) changes neither the
result nor its gradient, so the centre is a constant to autograd. Channels last avoids two transposing copies.
"""

import math

import torch
import torch.nn.functional as F
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


def group_norm(x: Tensor, groups: int, *, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """(x - mu_sg) / sqrt(var_sg + eps) * weight + bias, biased moments of sample s over group g and all positions.

    Args:
        x: (S, L, C), in float32 or wider; weight and bias: (C,) or None.

    Wu and He, Group Normalization, ECCV 2018.

    Raises:
        UserError: a group holds one element only, so the output would be zero (or the bias) whatever x is.
    """
    samples, length, channels = x.shape
    if channels // groups * length == 1:
        raise UserError(
            f"{groups} groups of {channels} channels at one position leave one element in each: the output is constant",
            legal=f"fewer groups than {channels}, or an axis with more than one position",
        )
    means = x.detach().mean(1).view(samples, groups, -1).mean(2, keepdim=True)  # (S, G, 1)
    centre = means.expand(-1, -1, channels // groups).reshape(samples, 1, channels)
    image = (x - centre).transpose(1, 2).unsqueeze(2)  # (S, C, 1, L), channels last in memory
    return F.group_norm(image, groups, weight, bias, eps).squeeze(2).transpose(1, 2)


def batch_norm(
    x: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    *,
    weight: Tensor,
    bias: Tensor,
    momentum: float,
    eps: float,
) -> Tensor:
    """(x - mu_c) / sqrt(var_c + eps) * weight + bias with the batch's biased moments over S and L.

    Updates the running statistics in place: running += momentum * (batch - running), the variance unbiased.

    Args:
        x: (S, L, C), in float32 or wider; running_mean, running_var, weight and bias: (C,).

    Ioffe and Szegedy, Batch Normalization, ICML 2015.

    Raises:
        UserError: the batch has one value for each channel, which has no variance.
    """
    rows = x.reshape(-1, x.shape[2])  # (S * L, C)
    if len(rows) == 1:
        raise UserError(
            "batch statistics of one value per channel: the output is constant",
            legal="two or more values of S x L in training",
            hint="use a larger batch, or evaluate with model.eval()",
        )
    centre = rows.detach().mean(0)
    mean, var = running_mean.to(x.dtype) - centre, running_var.to(x.dtype, copy=True)  # copies: autograd keeps them
    y = F.batch_norm(rows - centre, mean, var, weight, bias, training=True, momentum=momentum, eps=eps)
    with torch.no_grad():
        running_mean.copy_(mean + centre)
        running_var.copy_(var)
    return y.view(x.shape)


def fixed_norm(x: Tensor, mean: Tensor, var: Tensor, *, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias with given statistics: Batch Normalization in evaluation.

    Args:
        x: (S, L, C), in float32 or wider; all others (C,).
    """
    rows = x.reshape(-1, x.shape[2])
    return F.batch_norm(rows, mean.to(x.dtype), var.to(x.dtype), weight, bias, training=False, eps=eps).view(x.shape)
