"""Norms made for continual learning."""

from torch import Tensor

from clnorm.norms.base import RunningNorm
from clnorm.norms.moments import count_groups, group_norm


class ContinualNorm(RunningNorm):
    """Continual Normalization: Group Normalization without affine map, then Batch Normalization.

    z = (x - mu_sg) / sqrt(var_sg + eps) over a sample's group and all positions (biased);
    y = weight * (z - mu_c) / sqrt(var_c + eps) + bias, with the batch's moments of z in training (var biased) and the
    running ones in evaluation (var unbiased). In evaluation it therefore equals a Group Normalization with weight
    a = weight / sqrt(running_var + eps) and bias = bias - a * running_mean.

    Pham, Liu and Hoi, Continual Normalization: Rethinking Batch Normalization for Online Continual Learning, ICLR 2022.

    Args:
        num_channels: C.
        groups: the number of channel groups, or `auto` for gcd(C, 32); the attribute holds the number.
        eps: added to the variance, in both stages.
        momentum: weight of a batch in the running statistics.

    Raises:
        UserError: `groups` does not divide C.
    """

    def __init__(self, num_channels: int, *, groups: int | str, eps: float, momentum: float) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum)
        self.groups = count_groups(groups, num_channels)

    def normalize(self, x: Tensor) -> Tensor:
        return self.batch_stage(group_norm(x, self.groups, weight=None, bias=None, eps=self.eps))

    def extra_repr(self) -> str:
        return f"{self.num_channels}, groups={self.groups}"
