"""Switchable Normalization."""

from functools import partial

import torch
from torch import Tensor, nn

from clnorm.norms.base import RunningNorm
from clnorm.norms.kernels.moments import batch_moments, group_moments
from clnorm.norms.kernels.transform import transform


def _mix(
    mean: Tensor,
    var: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean_logits: Tensor,
    var_logits: Tensor,
    mu: Tensor,
    spread: Tensor,
    *,
    eps: float,
) -> tuple[Tensor, Tensor]:
    """Scale and shift, (S, C), given the third pair of moments: those of Batch Normalization, (C,)."""
    _, of_layer, of_batch = mean_logits.softmax(0)
    shares = var_logits.softmax(0)
    from_layer, layer_spread = group_moments(mean, var, 1)
    # Shares sum to 1, and the mean of Instance Normalization is `mean` itself.
    centred = of_layer * from_layer + of_batch * (mean - mu)
    scale = weight * (shares[0] * var + shares[1] * layer_spread + shares[2] * spread + eps).rsqrt()
    return scale, torch.addcmul(bias, centred, scale)


def _batch_coefficients(mean: Tensor, var: Tensor, *rest: Tensor, eps: float) -> tuple[Tensor, ...]:
    """Scale and shift, (S, C), by the batch's own moments, and the moments (C,) to track."""
    weight, bias, mean_logits, var_logits, *tracked = rest
    moments = batch_moments(mean, var)
    scale, shift = _mix(mean, var, weight, bias, mean_logits, var_logits, *moments, eps=eps)
    return scale, shift, *(batch_moments(mean, var, *tracked) if tracked else moments)


class SwitchableNorm(RunningNorm):
    """Switchable Normalization: (x - sum_k w_k mu_k) / sqrt(sum_k w'_k var_k + eps) * weight + bias.

    k runs over the moments of Instance Normalization (a sample's channel, over positions), of Layer Normalization (a
    sample, over channels and positions) and of Batch Normalization (a channel, over samples and positions), in this
    order; w and w' are the softmax of `mean_logits` and of `var_logits`. In training all variances are biased; in
    evaluation the third pair of moments is the running one (var unbiased). Where a sample has one position, mu_1 is x
    itself and var_1 is 0.

    Where the authors' code differs: its variance of Instance Normalization, from which the other two follow, is the
    unbiased one (with 11 positions outputs differ by up to 0.05), and its running variance starts at 0.

    Luo, Ren, Peng, Zhang and Li, Differentiable Learning-to-Normalize via Switchable Normalization, ICLR 2019.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics.

    Attributes:
        mean_logits, var_logits: (3,) parameters; they start at 0, equal shares.
    """

    def __init__(self, num_channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum)
        self.mean_logits = nn.Parameter(torch.zeros(3))
        self.var_logits = nn.Parameter(torch.zeros(3))

    def by_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        coefficients = partial(_batch_coefficients, eps=self.eps)
        y, mean, var = transform(x, coefficients, *self._parameters_in(x.dtype), *self.tracked_weights(len(x)))
        return y, mean, var

    def by_running(self, x: Tensor) -> Tensor:
        return transform(x, partial(_mix, eps=self.eps), *self._parameters_in(x.dtype), *self.running(x.dtype))[0]

    def _parameters_in(self, dtype: torch.dtype) -> tuple[Tensor, ...]:
        return *self.affine(dtype), self.mean_logits.to(dtype), self.var_logits.to(dtype)
