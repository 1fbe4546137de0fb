"""The norms that everyone has: Layer, Batch and Group Normalization."""

import torch.nn.functional as F
from torch import Tensor

from clnorm.norms.base import Norm, RunningNorm
from clnorm.norms.moments import count_groups, group_norm


class LayerNorm(Norm):
    """Layer Normalization: (x - mean_C) / sqrt(var_C + eps) * weight + bias, at each position by itself.

    Ba, Kiros and Hinton, arXiv 1607.06450.

    Args:
        num_channels: C.
        eps: added to the variance.
    """

    def __init__(self, num_channels: int, *, eps: float) -> None:
        super().__init__(num_channels)
        self.eps = eps

    def normalize(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.num_channels,), eps=self.eps, **self.affine(x.dtype))


class BatchNorm(RunningNorm):
    """Batch Normalization: (x - mu_c) / sqrt(var_c + eps) * weight + bias.

    In training mu and var are the batch's over samples and positions (var biased); in evaluation the running ones
    (var unbiased). Ioffe and Szegedy, ICML 2015.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics.
    """

    def normalize(self, x: Tensor) -> Tensor:
        return self.batch_stage(x)


class GroupNorm(Norm):
    """Group Normalization: (x - mu_sg) / sqrt(var_sg + eps) * weight + bias, over a sample's group and all positions.

    Wu and He, ECCV 2018.

    Args:
        num_channels: C.
        groups: the number of channel groups, or `auto` for gcd(C, 32); the attribute holds the number.
        eps: added to the variance.

    Raises:
        UserError: `groups` does not divide C.
    """

    def __init__(self, num_channels: int, *, groups: int | str, eps: float) -> None:
        super().__init__(num_channels)
        self.groups, self.eps = count_groups(groups, num_channels), eps

    def normalize(self, x: Tensor) -> Tensor:
        return group_norm(x, self.groups, eps=self.eps, **self.affine(x.dtype))

    def extra_repr(self) -> str:
        return f"{self.num_channels}, groups={self.groups}"
