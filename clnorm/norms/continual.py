"""Continual Normalization."""

from functools import partial

from torch import Tensor

from clnorm.norms.base import RunningNorm
from clnorm.norms.batch import batch_norm, fixed_norm
from clnorm.norms.group import normalize_tokens
from clnorm.norms.kernels.moments import batch_stage, count_groups, fixed_stage, group_stage, require_group_of_two
from clnorm.norms.kernels.transform import transform


def _batch_coefficients(
    mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, *tracked: Tensor, groups: int, eps: float
) -> tuple[Tensor, ...]:
    """Both stages at once: the second one's from the moments that the first one leaves."""
    z, z_var, inverse = group_stage(mean, var, groups=groups, eps=eps)
    scale, *rest = batch_stage(z, z_var, weight, bias, *tracked, eps=eps)
    return scale * inverse, *rest


def _running_coefficients(mean: Tensor, var: Tensor, *rest: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor]:
    z, _, inverse = group_stage(mean, var, groups=groups, eps=eps)
    scale, shift = fixed_stage(z, *rest, eps=eps)
    return scale * inverse, shift


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

    def __init__(
        self, num_channels: int, *, groups: int | str = "auto", eps: float = 1e-5, momentum: float = 0.1
    ) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum)
        self.groups = count_groups(groups, num_channels)

    def normalize(self, x: Tensor) -> Tensor:
        require_group_of_two(x.shape[1], self.num_channels, self.groups)
        return super().normalize(x)

    def by_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tensors = (*self.affine(x.dtype), *self.tracked_weights(len(x)))
        if x.shape[1] == 1:
            return batch_norm(normalize_tokens(x, self.groups, eps=self.eps), *tensors, eps=self.eps)
        y, mean, var = transform(x, partial(_batch_coefficients, groups=self.groups, eps=self.eps), *tensors)
        return y, mean, var

    def by_running(self, x: Tensor) -> Tensor:
        weight, bias = self.affine(x.dtype)
        mean, var = self.running(x.dtype)
        if x.shape[1] == 1:
            return fixed_norm(normalize_tokens(x, self.groups, eps=self.eps), mean, var, weight, bias, eps=self.eps)
        coefficients = partial(_running_coefficients, groups=self.groups, eps=self.eps)
        return transform(x, coefficients, weight, bias, mean, var)[0]

    def extra_repr(self) -> str:
        return f"{self.num_channels}, groups={self.groups}"
