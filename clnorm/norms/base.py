"""What every norm shares: its view of an activation, its precision, its affine map and its running statistics."""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from clnorm.errors import ClnormError
from clnorm.norms.context import StepContext
from clnorm.norms.kernels.moments import require_batch_of_two
from clnorm.norms.kernels.passes import use_passes
from clnorm.norms.kernels.sharing import share_moments
from clnorm.norms.statistics import Statistics
from clnorm.ranks import Part

Moved = TypeVar("Moved")


class Norm(nn.Module):
    """A norm of (S, L, C) activations: S samples, L positions, C channels last.

    A subclass writes `normalize`, which sees float32 (or wider) whatever the input's dtype, also under autocast; the
    output has the input's dtype. Every number that changes the output is a parameter or a buffer.

    Args:
        num_channels: C.
        weight: whether there is a parameter `weight` (C,), which starts at 1.
        bias: whether there is a parameter `bias` (C,), which starts at 0.

    Attributes:
        needs: what the norm needs of a `StepContext` in training: names of its fields.
        stop_gradient: training takes parts of it as constants, so that finite differences are not its gradients.
        statistics_options: the options of `Statistics` that the norm's text may have.
        native: whether it is computed by the compiled passes where those serve, see `use_passes`.
        context: what `provide_context` gave last.
    """

    needs: tuple[str, ...] = ()
    stop_gradient: ClassVar[bool] = False
    statistics_options: ClassVar[tuple[str, ...]] = ()
    native: bool = False
    weight: Tensor
    bias: Tensor

    def __init__(self, num_channels: int, *, weight: bool = True, bias: bool = True) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.context: StepContext | None = None
        self.register_parameter("weight", nn.Parameter(torch.ones(num_channels)) if weight else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_channels)) if bias else None)

    def forward(self, x: Tensor) -> Tensor:
        """(S, L, C) -> (S, L, C).

        Raises:
            ClnormError: the input has another shape or type, or is empty; or a norm that needs a context has none.
        """
        if x.ndim != 3 or x.shape[2] != self.num_channels or not x.numel() or not x.is_floating_point():
            raise ClnormError(
                f"{type(self).__name__} got an input of shape {tuple(x.shape)} and type {x.dtype}",
                legal=f"(samples, positions, {self.num_channels}), not empty, of floating point",
            )
        passes = use_passes("native") if self.native else nullcontext()
        with passes, torch.autocast(x.device.type, enabled=False):
            return self.normalize(x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)

    @abstractmethod
    def normalize(self, x: Tensor) -> Tensor:
        """(S, L, C) -> (S, L, C), both float32 or wider."""

    def affine(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The weight and bias, (C,) each, in `dtype`."""
        return self.weight.to(dtype), self.bias.to(dtype)

    def receive_context(self, context: StepContext | None) -> None:
        """Take what a training loop tells of the next batch; of clips that pass through other processes, nothing."""
        self.context = None if context is None else context.of_part()

    def require_context(self) -> StepContext:
        """The context of a norm that cannot do without.

        Raises:
            ClnormError: none was given.
        """
        if self.context is None:
            raise ClnormError(
                f"{type(self).__name__} needs {', '.join(needs_of(self))} of the batch, which clnorm's strategies give",
                hint="in your own loop, call clnorm.norms.provide_context(model, StepContext(...)) before the model",
            )
        return self.context

    def of_samples(self, of_clips: Tensor, samples: int) -> Tensor:
        """What is given for each clip, (B,), for each of the `samples` that clips are cut into, (S,).

        Where processes share the batch, `samples` are this one's, and clips and result are those of all.

        Raises:
            ClnormError: the clips do not divide the samples: the context is of another batch.
        """
        clips = len(of_clips)
        held = clips if self.part is None else self.part.held
        if not clips or samples % held:
            raise ClnormError(
                f"{type(self).__name__} got {samples} samples with a context of {held} clips",
                hint="give the context of this very batch to clnorm.norms.provide_context",
            )
        return of_clips.repeat_interleave(samples // held)

    @property
    def part(self) -> Part | None:
        """Where batch statistics are those of several processes' clips: which of these pass through here."""
        return None

    def extra_repr(self) -> str:
        return str(self.num_channels)


class RunningNorm(Norm):
    """A norm by the batch's statistics in training and by their running average in evaluation.

    A subclass writes `by_batch` and `by_running`. What the running statistics do, its text says, as in
    `bn:update=balanced`, or its attribute `statistics`, for a norm that is built by hand.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics; None: 1 / (the number of batches so far).

    Attributes:
        statistics: what the running statistics do.
        frozen: training is by the running statistics, too, and leaves them as they are.
        transductive: evaluation is by the statistics of the batch that is evaluated, and leaves the running ones.
        calibrating: a calibration is collecting the running statistics, in training mode; it is no training.
    """

    statistics_options: ClassVar[tuple[str, ...]] = ("update", "recalibrate", "freeze_after", "eval", "parts")
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_channels: int, *, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__(num_channels)
        self.eps, self.momentum = eps, momentum
        self.statistics = Statistics()
        self._weights: Tensor | None = None
        self._counts = True
        self.frozen = self.transductive = self.calibrating = False
        self.register_buffer("running_mean", torch.zeros(num_channels))
        self.register_buffer("running_var", torch.ones(num_channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def receive_context(self, context: StepContext | None) -> None:
        """Take what a training loop tells of the next batch, and decide what of it counts."""
        super().receive_context(context)
        if self.statistics.parts == 1:
            self.context = context
        self._weights, self._counts = (None, True) if self.context is None else self.statistics.weigh(self.context)
        if context is not None and self.statistics.freeze_after:
            self.frozen = self.statistics.freezes(context.experience)

    def normalize(self, x: Tensor) -> Tensor:
        if self.context is None and self.training and not self.calibrating and self.statistics.needs:
            self.require_context()
        fixed = self.frozen if self.training else not self.transductive
        if fixed:
            return self.by_running(x)
        samples, length, _ = x.shape
        require_batch_of_two(self.count_samples(samples), length)
        y, mean, var = self.share_batch(x, self.by_batch)
        if self.training and self.tracked:
            self.track(mean.detach(), var.detach(), values=self._count_values(samples, length))
        return y

    @property
    def part(self) -> Part | None:
        """Where batch statistics are those of several processes' clips: which of these pass through here."""
        by_batch = self.training and not self.frozen and not self.calibrating
        return self.context.part if by_batch and self.context is not None else None

    def count_samples(self, samples: int) -> int:
        """How many samples batch statistics are of, where `samples` of them pass through here."""
        return samples if self.part is None else samples // self.part.held * self.part.clips

    def share_batch(self, x: Tensor, by_batch: Callable[[Tensor], Moved]) -> Moved:
        """What `by_batch` makes of x by batch statistics, over all processes that share the batch.

        Raises:
            ClnormError: it computes its moments on its own, so that they would be those of this process's clips.
        """
        if self.part is None:
            return by_batch(x)
        with share_moments(self.part) as sharing:
            result = by_batch(x)
        if not sharing.used:
            what = f"{type(self).__name__} computes its moments otherwise than by clnorm.norms.kernels.transform"
            hint = "give it the option parts, so that each process goes by its own clips, or start one process"
            raise ClnormError(f"{what}, so that several processes cannot share them", hint=hint)
        return result

    @abstractmethod
    def by_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """y (S, L, C) by the batch's statistics; and the mean and biased variance (C,) that are to be tracked."""

    @abstractmethod
    def by_running(self, x: Tensor) -> Tensor:
        """y (S, L, C) by the running statistics."""

    @property
    def tracked(self) -> bool:
        """Whether running statistics take in the batch at hand: a calibration's, always."""
        return self.calibrating or (self._counts and self.statistics.update != "none")

    def tracked_weights(self, samples: int) -> tuple[Tensor, ...]:
        """The weights (S,) of the samples in running statistics, where they are not all alike: none or one tensor."""
        if not self.training or self.calibrating or self._weights is None:
            return ()
        return (self.of_samples(self._weights, samples),)

    @torch.no_grad()
    def track(self, mean: Tensor, var: Tensor, *, values: int | Tensor) -> None:
        """Move the running statistics towards a batch's mean and biased variance of so many values, (C,) each.

        running += momentum * (batch - running), where the running variance takes the unbiased one.
        """
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        unbiased = var * (values / (values - 1))
        for running, batch in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.copy_(torch.lerp(running.to(batch.dtype), batch, share))

    def running(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Copies of the running mean and variance, (C,) each, in `dtype`: for a `transform`."""
        return self.running_mean.to(dtype, copy=True), self.running_var.to(dtype, copy=True)

    def _count_values(self, samples: int, length: int) -> int | Tensor:
        weights = self.tracked_weights(samples)
        # One value has no variance: counted as two it keeps the biased one, 0.
        if not weights:
            return self.count_samples(samples) * length
        return ((weights[0] > 0).sum() * length).clamp(min=2)


def uses_progress(model: nn.Module) -> bool:
    """Whether any norm of a model goes by the share of the run that is done."""
    return any("progress" in needs_of(module) for module in model.modules())


def needs_of(norm: nn.Module) -> tuple[str, ...]:
    """What a norm needs of a `StepContext` in training: by itself, and to do what its running statistics are to do."""
    own = tuple(getattr(norm, "needs", ()))
    return tuple(dict.fromkeys((*own, *norm.statistics.needs))) if isinstance(norm, RunningNorm) else own
