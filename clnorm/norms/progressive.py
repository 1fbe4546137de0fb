"""Progressive re-parameterized Batch Normalization."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.norms.base import RunningNorm
from clnorm.norms.batch import fixed_norm
from clnorm.norms.context import StepContext
from clnorm.norms.kernels.moments import batch_stage
from clnorm.norms.kernels.transform import transform


def _coefficients(
    mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eta: Tensor, share: Tensor, *tracked: Tensor, eps: float
) -> tuple[Tensor, ...]:
    """share * (BN(x) + eta * x)."""
    scale, shift, *moments = batch_stage(mean, var, weight, bias, *tracked, eps=eps)
    return share * (scale + eta), share * torch.addcmul(shift, eta, mean), *moments


class ProgressiveBatchNorm(RunningNorm):
    """PRepBN: Layer Normalization that turns into RepBN(x) = BN(x) + eta * x over the run.

    y = lam * LN(x) + (1 - lam) * RepBN(x) in training, with lam = max(0, 1 - progress / until) falling from 1 to 0, and
    y = RepBN(x) by running statistics in evaluation, **at any time of the run**: before the share `until` of the run is
    done, evaluation is of another function than the one in training, which still mixes LN in. What is measured then,
    such as the accuracy after each experience and the forgetting that follows from it, is of a network that has not
    been trained as such, and says little before lam is 0.

    As in the authors' code, LN and BN have affine maps of their own and eta is one learned scalar that starts at 1. The
    running statistics take in every batch from the start, and lam follows the share of the run instead of a number of
    steps (300,000 there by default).

    Guo et al., SLAB: Efficient Transformers with Simplified Linear Attention and Progressive Re-parameterized Batch
    Normalization, ICML 2024, arXiv 2405.11582.

    Args:
        num_channels: C.
        eps: added to the variance, one number for both norms.
        momentum: weight of a batch in the running statistics.
        until: the share of the run at which lam reaches 0; 0: RepBN from the start.

    Attributes:
        weight, bias: the affine map of BN, (C,) each.
        layer_weight, layer_bias: the affine map of LN, (C,) each.
        eta: the weight of x, ().
        layer_share: the buffer lam, (), as of the last context.
    """

    needs: tuple[str, ...] = ("progress",)
    layer_share: Tensor

    def __init__(self, num_channels: int, *, eps: float = 1e-5, momentum: float = 0.1, until: float = 1.0) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum)
        self.until = until
        self.layer_weight = nn.Parameter(torch.ones(num_channels))
        self.layer_bias = nn.Parameter(torch.zeros(num_channels))
        self.eta = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("layer_share", torch.tensor(1.0))

    def receive_context(self, context: StepContext | None) -> None:
        super().receive_context(context)
        if context is not None:
            left = 1 - context.progress / self.until if self.until else 0.0
            self.layer_share.fill_(max(0.0, left))

    def normalize(self, x: Tensor) -> Tensor:
        if not self._mixes:
            return super().normalize(x)
        self.require_context()
        lam = self.layer_share.to(x.dtype, copy=True)
        weight, bias = lam * self.layer_weight.to(x.dtype), lam * self.layer_bias.to(x.dtype)
        return super().normalize(x) + F.layer_norm(x, (self.num_channels,), weight, bias, self.eps)

    def by_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, mean, var = transform(
            x,
            partial(_coefficients, eps=self.eps),
            *self.affine(x.dtype),
            self.eta.to(x.dtype),
            self._batch_share(x.dtype),
            *self.tracked_weights(len(x)),
        )
        return y, mean, var

    def by_running(self, x: Tensor) -> Tensor:
        weight, bias = self.affine(x.dtype)
        mean, var = self.running(x.dtype)
        eta, share = self.eta.to(x.dtype), self._batch_share(x.dtype)
        # eta * x = eta * sqrt(var + eps) * (x - mean) / sqrt(var + eps) + eta * mean: one affine map for both terms.
        weight = share * (weight + eta * (var + self.eps).sqrt())
        return fixed_norm(x, mean, var, weight, share * (bias + eta * mean), eps=self.eps)

    def _batch_share(self, dtype: torch.dtype) -> Tensor:
        """The weight of RepBN, (): 1 - lam in training, 1 in evaluation."""
        lam = self.layer_share.to(dtype)
        return 1 - lam if self._mixes else torch.ones_like(lam)

    @property
    def _mixes(self) -> bool:
        """Whether LN has its share. A calibration is to see what evaluation will see."""
        return self.training and not self.calibrating

    def extra_repr(self) -> str:
        return f"{self.num_channels}, until={self.until}"
