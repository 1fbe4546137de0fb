"""Group Normalization, and Instance Normalization as its finest case."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from clnorm.norms.base import Norm
from clnorm.norms.kernels.moments import count_groups, group_stage, require_group_of_two
from clnorm.norms.kernels.transform import transform


def _coefficients(
    mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, *, groups: int, eps: float
) -> tuple[Tensor, Tensor]:
    z, _, inverse = group_stage(mean, var, groups=groups, eps=eps)
    return weight * inverse, torch.addcmul(bias, z, weight)


class GroupNorm(Norm):
    """Group Normalization: (x - mu_sg) / sqrt(var_sg + eps) * weight + bias, over a sample's group and all positions.

    The moments are biased; training and evaluation are the same. Wu and He, ECCV 2018.

    Args:
        num_channels: C.
        groups: the number of channel groups, or `auto` for gcd(C, 32); the attribute holds the number.
        eps: added to the variance.

    Raises:
        UserError: `groups` does not divide C.
    """

    def __init__(self, num_channels: int, *, groups: int | str = "auto", eps: float = 1e-5) -> None:
        super().__init__(num_channels)
        self.groups, self.eps = count_groups(groups, num_channels), eps

    def normalize(self, x: Tensor) -> Tensor:
        weight, bias = self.affine(x.dtype)
        if x.shape[1] == 1:
            return torch.addcmul(bias, normalize_tokens(x, self.groups, eps=self.eps), weight)
        require_group_of_two(x.shape[1], self.num_channels, self.groups)
        return transform(x, partial(_coefficients, groups=self.groups, eps=self.eps), weight, bias)[0]

    def extra_repr(self) -> str:
        return f"{self.num_channels}, groups={self.groups}"


class InstanceNorm(GroupNorm):
    """Instance Normalization: (x - mu_sc) / sqrt(var_sc + eps) * weight + bias, over each channel of a sample.

    The moments are biased; training and evaluation are the same. Ulyanov, Vedaldi and Lempitsky, arXiv 1607.08022.

    Args:
        num_channels: C.
        eps: added to the variance.
    """

    def __init__(self, num_channels: int, *, eps: float = 1e-5) -> None:
        super().__init__(num_channels, groups=num_channels, eps=eps)

    def extra_repr(self) -> str:
        return str(self.num_channels)


def normalize_tokens(x: Tensor, groups: int, *, eps: float) -> Tensor:
    """Group Normalization without affine map of (S, 1, C): each group is a short layer, which torch normalizes fastest.

    Raises:
        UserError: a group holds one element.
    """
    samples, length, channels = x.shape
    require_group_of_two(length, channels, groups)
    per_group = channels // groups
    return F.layer_norm(x.reshape(samples * groups, per_group), (per_group,), eps=eps).view(x.shape)
