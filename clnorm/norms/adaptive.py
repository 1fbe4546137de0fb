"""Adaptive Balance of Batch Normalization."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.norms.base import RunningNorm
from clnorm.norms.batch import batch_norm, fixed_norm
from clnorm.norms.context import StepContext
from clnorm.norms.kernels.moments import batch_moments, fixed_stage, require_batch_of_two
from clnorm.norms.kernels.transform import transform


def _coefficients(
    mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, shares: Tensor, *tracked: Tensor, eps: float
) -> tuple[Tensor, ...]:
    """Normalization by moments weighted with `shares` (S,); these moments, and those weighted with `tracked` if any."""
    moments = batch_moments(mean, var, shares)
    others = batch_moments(mean, var, *tracked) if tracked else ()
    return *fixed_stage(mean, weight, bias, *moments, eps=eps), *moments, *others


class AdaptiveBalancedBatchNorm(RunningNorm):
    """AdaB2N: Batch Normalization by moments in which tasks have learned weights, with a momentum that adapts.

    Training: with n_j clips of task j in the batch, c_j = exp(theta_j) + n_j and w_j = c_j / sum_i c_i over the tasks
    *present in the batch*, each clip of task j weighs w_j / n_j in mu and var (biased), which normalize the batch;
    theta learns through them. Evaluation is by the running statistics, as in Batch Normalization.

    Running statistics: running += eta_k * (batch - running), with the same mu and the same biased var, unless
    the context gives the clips other weights. Over all the batches k of the run, without a new start at a task, eta_1 =
    momentum^kappa and eta_k = eta_(k-1) / (eta_(k-1) + (1 - momentum)^kappa): kappa = 1 is the constant momentum,
    kappa = 0 the plain average 1/k.

    Each forward pass in training leaves `auxiliary_loss` = lam * (MSE(mu, running_mean) + MSE(var, running_var)), the
    running statistics being those after this batch, and constants; x and theta get its gradient. With the default lam
    it can be as large as the cross-entropy in a small run.

    Where the authors' code differs: it also counts the tasks of earlier experiences that no clip of the batch belongs
    to in sum_i c_i, so that the weights of the clips may sum to less than 1; and eta is not in its state_dict.

    Lyu et al., Overcoming Recency Bias of Normalization Statistics in Continual Learning: Balance and Adaptation,
    NeurIPS 2023, arXiv 2310.08855.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: the momentum that eta starts from.
        kappa: between the plain average, 0, and a constant momentum, 1.
        lam: weight of the auxiliary loss.
        tasks: the most experiences that a run may have.

    Attributes:
        theta: the parameter (tasks,), which starts at 0.
        eta: the buffer () with the momentum of the last batch; 0 before the first one.
        auxiliary_loss: what the last forward pass in training adds to the loss, a scalar, or None.
    """

    needs: tuple[str, ...] = ("tasks", "experience")
    eta: Tensor

    def __init__(
        self,
        num_channels: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        kappa: float = 0.5,
        lam: float = 0.1,
        tasks: int = 64,
    ) -> None:
        super().__init__(num_channels, eps=eps, momentum=momentum)
        self.kappa, self.lam, self.tasks = kappa, lam, tasks
        self._first, self._decay = momentum**kappa, (1 - momentum) ** kappa
        self.theta = nn.Parameter(torch.zeros(tasks))
        self.register_buffer("eta", torch.tensor(0.0))
        self.auxiliary_loss: Tensor | None = None

    def receive_context(self, context: StepContext | None) -> None:
        """Take what a training loop tells of the next batch.

        Raises:
            UserError: the experience, or that of a clip, is none of the `tasks` that the norm was built for.
        """
        super().receive_context(context)
        if context is None:
            return
        last = context.experience
        if context.tasks.device.type == "cpu":  # on a GPU, asking would wait for it
            last = max(last, int(context.tasks.max()))
        if last >= self.tasks:
            raise UserError(
                f"experience {last} (from 0) for a norm built with tasks={self.tasks}",
                where=type(self).__name__,
                hint="set the norm's option tasks to the number of experiences",
            )

    def normalize(self, x: Tensor) -> Tensor:
        if not self.training or self.frozen:
            self.auxiliary_loss = None
            return super().normalize(x)
        context = self.require_context()
        require_batch_of_two(self.count_samples(len(x)), x.shape[1])
        self.of_samples(context.tasks, len(x))  # refuses the context of another batch
        clips = x.reshape(len(context.tasks) if self.part is None else self.part.held, -1, self.num_channels)
        shares = self._weigh(context.tasks, x.dtype)
        tensors = (*self.affine(x.dtype), shares, *self.tracked_weights(len(clips)))
        y, mean, var, *others = self.share_batch(
            clips, lambda given: transform(given, partial(_coefficients, eps=self.eps), *tensors)
        )
        if self.tracked:
            self.track(*(others or (mean, var)), values=self.count_samples(len(x)) * x.shape[1])
        to_mean, to_var = self.running(x.dtype)
        self.auxiliary_loss = self.lam * (F.mse_loss(mean, to_mean) + F.mse_loss(var, to_var))
        return y.view(x.shape)

    def by_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Only in transductive evaluation, where no task is known: Batch Normalization."""
        return batch_norm(x, *self.affine(x.dtype), eps=self.eps)

    def by_running(self, x: Tensor) -> Tensor:
        return fixed_norm(x, *self.running(x.dtype), *self.affine(x.dtype), eps=self.eps)

    @torch.no_grad()
    def track(self, mean: Tensor, var: Tensor, *, values: int | Tensor) -> None:
        """Move eta on, and the running statistics by it towards a batch's mean and biased variance, (C,) each.

        In a calibration they become the plain average of its batches, and eta stays as it is.
        """
        self.num_batches_tracked.add_(1)
        if self.calibrating:
            eta = 1 / self.num_batches_tracked
        else:
            eta = self._next_eta(mean.dtype)
            self.eta.copy_(eta)
        for running, batch in ((self.running_mean, mean), (self.running_var, var)):
            running.copy_(torch.lerp(running.to(batch.dtype), batch, eta.to(batch.dtype)))

    def _next_eta(self, dtype: torch.dtype) -> Tensor:
        eta = self.eta.to(dtype)
        return torch.where(eta == 0, self._first, eta / (eta + self._decay))

    def _weigh(self, tasks: Tensor, dtype: torch.dtype) -> Tensor:
        """The weight of each clip, (B,), up to a factor: w_j / n_j is proportional to 1 + exp(theta_j) / n_j."""
        clips_of_task = (tasks.unsqueeze(1) == tasks).sum(1)
        return 1 + self.theta.to(dtype).exp()[tasks] / clips_of_task

    def extra_repr(self) -> str:
        return f"{self.num_channels}, kappa={self.kappa}, lam={self.lam}, tasks={self.tasks}"
