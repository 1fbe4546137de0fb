"""Batch Renormalization."""

from functools import partial

import torch
from torch import Tensor

from clnorm.errors import UserError
from clnorm.norms.batch import BatchNorm
from clnorm.norms.context import StepContext
from clnorm.norms.kernels.moments import batch_moments
from clnorm.norms.kernels.transform import transform


def _coefficients(
    mean: Tensor,
    var: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    rmax: Tensor,
    dmax: Tensor,
    *tracked: Tensor,
    eps: float,
) -> tuple[Tensor, ...]:
    """Scale (C,), shift (S, C), and the moments (C,) to track; rmax and dmax are scalars."""
    mu, spread = batch_moments(mean, var)
    sigma_batch, sigma = (spread + eps).sqrt(), (running_var + eps).sqrt()
    r = (sigma_batch / sigma).clamp(1 / rmax, rmax).detach()
    d = ((mu - running_mean) / sigma).clamp(-dmax, dmax).detach()
    scale = weight * r / sigma_batch
    shift = scale * (mean - mu) + weight * d + bias
    return scale, shift, *(batch_moments(mean, var, *tracked) if tracked else (mu, spread))


class BatchRenorm(BatchNorm):
    """Batch Renormalization: ((x - mu_B) / sigma_B * r + d) * weight + bias in training.

    r = clip(sigma_B / sigma, 1 / rmax, rmax) and d = clip((mu_B - mu) / sigma, -dmax, dmax) are constants to the
    gradient. mu_B and sigma_B = sqrt(var_B + eps) are the batch's (var_B biased), mu and sigma the running ones before
    this batch. As in the paper, where sigma averages sigma_B, eps is part of both: sigma = sqrt(running_var + eps), so
    that where nothing is clipped the output is that of evaluation, (x - mu) / sigma * weight + bias. Unlike there, it
    is the unbiased variance that is averaged, as in all of clnorm's norms. The limits rise linearly with the run's
    progress, from 1 and 0 (Batch Normalization) at `begin` to rmax and dmax at `end`, and stay there.

    Ioffe, Batch Renormalization: Towards Reducing Minibatch Dependence in Batch-Normalized Models, NeurIPS 2017.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics.
        rmax: most that the scale is corrected by, up or down, >= 1.
        dmax: most that the mean is corrected by, in running standard deviations, >= 0.
        begin: the share of the run until which it is Batch Normalization.
        end: the share of the run at which both limits are reached.

    Raises:
        UserError: `end` is before `begin`.
    """

    needs = ("progress",)
    stop_gradient = True
    progress: Tensor

    def __init__(
        self,
        num_channels: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        rmax: float = 3.0,
        dmax: float = 5.0,
        begin: float = 0.1,
        end: float = 0.5,
    ) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum)
        if end < begin:
            raise UserError(f"end={end:g} is before begin={begin:g}", legal=f"end from {begin:g} to 1")
        self.rmax, self.dmax, self.begin, self.end = rmax, dmax, begin, end
        self.register_buffer("progress", torch.tensor(0.0))

    def receive_context(self, context: StepContext | None) -> None:
        super().receive_context(context)
        if context is not None:
            self.progress.fill_(context.progress)

    def by_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.training:  # evaluation by the batch's statistics is not to be corrected towards the running ones
            return super().by_batch(x)
        self.require_context()
        tensors = (*self.affine(x.dtype), *self.running(x.dtype), *self._limits(x.dtype))
        y, mean, var = transform(x, partial(_coefficients, eps=self.eps), *tensors, *self.tracked_weights(len(x)))
        return y, mean, var

    def _limits(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """rmax and dmax at this progress, scalars."""
        done = self.progress.to(dtype) - self.begin
        span = self.end - self.begin
        share = (done / span).clamp(0, 1) if span else (done >= 0).to(dtype)
        return 1 + share * (self.rmax - 1), share * self.dmax
