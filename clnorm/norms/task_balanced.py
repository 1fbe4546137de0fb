"""Task-Balanced Batch Normalization."""

import math
from functools import partial

import torch
from torch import Tensor

from clnorm.norms.base import RunningNorm
from clnorm.norms.batch import batch_norm, fixed_norm
from clnorm.norms.kernels.moments import batch_moments
from clnorm.norms.kernels.transform import transform


def _joint_moments(mean: Tensor, var: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance, (R, C) each, of each of R parts of the current samples together with the whole memory.

    Args:
        mean: (S, C), those of the samples.
        var: (S, C), those of the samples.
        members: (R, S), 1 where a sample belongs to a part; memory belongs to none.
    """
    groups = torch.cat([members, 1 - members.sum(0, keepdim=True)])  # the last one is memory
    sizes = groups.sum(1, keepdim=True)
    shares = groups / sizes.clamp(min=1)
    mu = shares @ mean
    spread = shares @ (var + (mean - groups.T @ mu).square())
    of_part = sizes[:-1] / (sizes[:-1] + sizes[-1:]).clamp(min=1)
    apart = mu[:-1] - mu[-1:]
    within = torch.lerp(spread[-1:], spread[:-1], of_part)
    return mu[-1:] + of_part * apart, within + of_part * (1 - of_part) * apart.square()


def _coefficients(
    mean: Tensor,
    var: Tensor,
    weight: Tensor,
    bias: Tensor,
    members: Tensor,
    used: Tensor,
    *tracked: Tensor,
    eps: float,
) -> tuple[Tensor, ...]:
    """The affine map of each sample, that of memory being the average of the parts'; and the moments to track.

    Args:
        members: (R, S), 1 where a sample belongs to a part; memory belongs to none.
        used: (R,), 1 for each of the r parts that there are, 0 for the others.
    """
    dtype = mean.dtype
    # In float64, also against TF32, which takes three digits of a float32 matrix product on a GPU.
    mean, var, weight, bias = mean.double(), var.double(), weight.double(), bias.double()
    used = used / used.sum()
    mu, spread = _joint_moments(mean, var, members)
    scales = weight * (spread + eps).rsqrt()
    parts = members.T + (1 - members.sum(0)).unsqueeze(1) * used  # (S, R): how much of each part's map a sample gets
    scale = parts @ scales
    shift = bias + scale * mean - parts @ (scales * mu)
    moments = batch_moments(mean, var, *tracked) if tracked else (used @ mu, used @ spread)
    return tuple(tensor.to(dtype) for tensor in (scale, shift, *moments))


class TaskBalancedBatchNorm(RunningNorm):
    """TBBN: Batch Normalization of parts of the current experience's clips, each part together with the whole memory.

    Training at experience t > 0: r is the largest common divisor of the numbers (B_c, B_p) of current and memory clips
    that is at most ratio * t, or 1. Current clip number j, in the order of the batch, belongs to part j mod r. A part
    is normalized by the biased moments of itself and all memory clips, y = weight * (x - mu_i) / sqrt(var_i + eps) +
    bias; a memory clip's output is the average of its r normalizations. Without memory, with r = 1, and in evaluation
    by running statistics, this is Batch Normalization.

    Running statistics: running += momentum * (batch - running), where batch is the average over the r parts of mu_i,
    and of var_i * n / (n - 1) with n = S * L, the values of the whole batch, as in Batch Normalization; where the
    context gives the clips weights, it is the moments of the batch weighted so.

    Where the authors' code differs: it counts n otherwise in the running variance (by up to 0.007 in small batches);
    and an old commit of it averages, from the second experience on, the moments of the norm's *output* instead.

    Cha et al., Rebalancing Batch Normalization for Exemplar-based Class-Incremental Learning, CVPR 2023, arXiv
    2201.12559.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics.
        ratio: r's limit for each experience done; published: B_c / B_p.
    """

    needs: tuple[str, ...] = ("tasks", "experience")

    def __init__(self, num_channels: int, *, eps: float = 1e-5, momentum: float = 0.1, ratio: float = 1.0) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum)
        self.ratio = ratio

    def by_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        limit = self._limit_parts() if self.training else 1  # in evaluation nobody knows whose clips these are
        if limit < 2:
            return batch_norm(x, *self.affine(x.dtype), *self.tracked_weights(len(x)), eps=self.eps)
        return self._by_parts(x, limit)

    def by_running(self, x: Tensor) -> Tensor:
        return fixed_norm(x, *self.running(x.dtype), *self.affine(x.dtype), eps=self.eps)

    def _limit_parts(self) -> int:
        """R, the most parts that there can be; no common divisor of two numbers is above half of their sum."""
        context = self.require_context()
        by_ratio = math.floor(self.ratio * context.experience + 1e-9)  # 0.29 * 100 is 28.999999999999996
        return min(by_ratio, len(context.tasks) // 2)

    def _by_parts(self, x: Tensor, limit: int) -> tuple[Tensor, Tensor, Tensor]:
        """As `by_batch`, with up to `limit` parts."""
        tasks = self.require_context().tasks
        self.of_samples(tasks, len(x))  # refuses the context of another batch
        clips = x.reshape(len(tasks) if self.part is None else self.part.held, -1, self.num_channels)
        tensors = (*self.affine(x.dtype), *self._divide(limit), *self.tracked_weights(len(clips)))
        y, mean, var = transform(clips, partial(_coefficients, eps=self.eps), *tensors)
        return y.view(x.shape), mean, var

    def _divide(self, limit: int) -> tuple[Tensor, Tensor]:
        """`members` (R, B) and `used` (R,) of `_coefficients`: tensors alone, since asking a GPU would wait for it."""
        context = self.require_context()
        current = context.tasks == context.experience
        of_current, of_memory = current.sum(), (~current).sum()
        index = torch.arange(limit, device=current.device)
        divisors = index + 1
        common = (of_current % divisors == 0) & (of_memory % divisors == 0) & (of_memory > 0)
        parts = (divisors * common).amax().clamp(min=1)
        part = torch.where(current, (current.cumsum(0) - 1) % parts, -1)
        return (index.unsqueeze(1) == part).double(), (index < parts).double()

    def extra_repr(self) -> str:
        return f"{self.num_channels}, ratio={self.ratio}"
