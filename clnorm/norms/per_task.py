"""Batch Normalization with statistics for each experience."""

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from clnorm.errors import ClnormError, UserError
from clnorm.norms.base import RunningNorm
from clnorm.norms.context import StepContext
from clnorm.norms.kernels.transform import transform


def _task_moments(mean: Tensor, var: Tensor, tasks: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each task's samples, (K, C) each; zeros for a task without any.

    Args:
        mean, var: of each (sample, channel) over its positions, (S, C).
        tasks: (S,) the task of each sample.
        weights: (K, S) the weight of a sample in the moments of a task, 0 in those of other tasks.
    """
    total = weights.sum(1, keepdim=True)
    shares = weights / torch.where(total > 0, total, 1)
    mu = shares @ mean
    return mu, shares @ (var + (mean - mu[tasks]).square())


def _batch_coefficients(
    mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, tasks: Tensor, *tracked: Tensor, count: int, eps: float
) -> tuple[Tensor, ...]:
    """Scale and shift, (S, C), of Batch Normalization within each task, and the moments (K, C) to track."""
    members = (torch.arange(count, device=tasks.device).unsqueeze(1) == tasks).to(mean.dtype)
    mu, spread = _task_moments(mean, var, tasks, members)
    scale, shift = _fixed_coefficients(mean, var, weight, bias, mu, spread, tasks, eps=eps)
    moments = _task_moments(mean, var, tasks, members * tracked[0]) if tracked else (mu, spread)
    return scale, shift, *moments


def _fixed_coefficients(
    mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, mu: Tensor, spread: Tensor, tasks: Tensor, *, eps: float
) -> tuple[Tensor, Tensor]:
    """Scale and shift, (S, C), by given statistics of each task, (K, C)."""
    scale = (weight * (spread + eps).rsqrt())[tasks]
    return scale, torch.addcmul(bias, mean - mu[tasks], scale)


class TaskBatchNorm(RunningNorm):
    """Batch Normalization of each experience's clips by statistics of that experience alone.

    In training a sample is normalized by the moments of those samples in the batch that belong to its experience; in
    evaluation by the running ones of its experience. So it equals one Batch Normalization for each experience, with one
    weight and bias for all. It must be told every clip's experience, in evaluation, too: it is an oracle, a bound for
    methods that are not told.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics of each experience with clips in it.
        tasks: most experiences that there may be.

    Attributes:
        oracle: evaluation is told what no model could know.
        running_mean, running_var: (tasks, C).
        num_batches_tracked: (tasks,).
    """

    needs = ("tasks",)
    statistics_options: ClassVar[tuple[str, ...]] = ("update", "recalibrate", "eval", "parts")
    oracle: ClassVar[bool] = True

    def __init__(self, num_channels: int, *, eps: float = 1e-5, momentum: float = 0.1, tasks: int = 64) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum)
        self.tasks = tasks
        self.register_buffer("running_mean", torch.zeros(tasks, num_channels))
        self.register_buffer("running_var", torch.ones(tasks, num_channels))
        self.register_buffer("num_batches_tracked", torch.zeros(tasks, dtype=torch.long))
        self._alone: int | None = None
        self._untrained: tuple[int, ...] = ()

    def receive_context(self, context: StepContext | None) -> None:
        """Take the clips' experiences, and look at them now: a compiled forward pass cannot.

        Raises:
            UserError: an experience beyond `tasks`.
        """
        super().receive_context(context)
        if (context := self.context) is None:
            return
        tasks = context.tasks.tolist()
        if wrong := [task for task in tasks if not 0 <= task < self.tasks]:
            raise UserError(
                f"{type(self).__name__} got clips of experience {wrong[0]}",
                legal=f"0 to {self.tasks - 1}",
                hint=f"give the norm its option tasks={max(wrong) + 1}",
            )
        weights = [1.0] * len(tasks) if self._weights is None else self._weights.tolist()
        counted = [task for task, weight in zip(tasks, weights, strict=True) if weight > 0]
        self._alone = next((task for task in tasks if 1 in (tasks.count(task), counted.count(task))), None)
        self._untrained = self._list_untrained(context)

    def by_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        tasks = self._tasks_of(x)
        if (
            x.shape[1] == 1
            and self.count_samples(len(x)) == len(self.require_context().tasks)
            and self._alone is not None
        ):
            raise ClnormError(
                f"batch statistics of one value per channel of experience {self._alone}",
                legal="two or more values of each experience that is in the batch",
                hint="use a larger batch",
            )
        coefficients = partial(_batch_coefficients, count=self.tasks, eps=self.eps)
        y, mean, var = transform(x, coefficients, *self.affine(x.dtype), tasks, *self.tracked_weights(len(x)))
        return y, mean, var

    def by_running(self, x: Tensor) -> Tensor:
        tasks = self._tasks_of(x)
        if self._untrained:  # listed anew: a forward pass may have trained them since the context was given
            self._untrained = self._list_untrained(self.require_context())
        if self._untrained:
            names = ", ".join(map(str, self._untrained))
            what = f"{type(self).__name__} has no statistics of experience {names}, which it was never trained on"
            raise ClnormError(what, hint="evaluate experiences that it was trained on")
        coefficients = partial(_fixed_coefficients, eps=self.eps)
        return transform(x, coefficients, *self.affine(x.dtype), *self.running(x.dtype), tasks)[0]

    @torch.no_grad()
    def track(self, mean: Tensor, var: Tensor, *, values: int | Tensor) -> None:
        """As `RunningNorm.track`, for each experience: mean and var (tasks, C), values (tasks, 1), 0 where absent."""
        counts = torch.as_tensor(values, dtype=var.dtype, device=var.device)
        present = counts > 0
        self.num_batches_tracked.add_(present.squeeze(1))
        batches = self.num_batches_tracked.clamp(min=1).unsqueeze(1).to(var.dtype)
        share = present * (1 / batches if self.momentum is None else self.momentum)
        unbiased = var * (counts / (counts - 1).clamp(min=1))
        for running, batch in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.copy_(torch.lerp(running.to(batch.dtype), batch, share.to(batch.dtype)))

    def _tasks_of(self, x: Tensor) -> Tensor:
        return self.of_samples(self.require_context().tasks, len(x))

    def _list_untrained(self, context: StepContext) -> tuple[int, ...]:
        counts = self.num_batches_tracked.tolist()
        return tuple(sorted({task for task in context.tasks.tolist() if not counts[task]}))

    def _count_values(self, samples: int, length: int) -> Tensor:
        tasks, weights = self.of_samples(self.require_context().tasks, samples), self.tracked_weights(samples)
        members = torch.arange(self.tasks, device=tasks.device).unsqueeze(1) == tasks
        counted = members & (weights[0] > 0) if weights else members
        return counted.sum(1, keepdim=True) * length

    def extra_repr(self) -> str:
        return f"{self.num_channels}, tasks={self.tasks}"
