"""What every norm shares: its view of an activation, its precision, its affine map and its running statistics."""

import torch
from torch import Tensor, nn

from clnorm.errors import ClnormError
from clnorm.norms.moments import batch_norm, fixed_norm


class Norm(nn.Module):
    """A norm of (S, L, C) activations: S samples, L positions, C channels last.

    A subclass writes `normalize`, which sees float32 (or wider) whatever the input's dtype, also under autocast; the
    output has the input's dtype. Every number that changes the output is a parameter or a buffer.

    Args:
        num_channels: C.
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(S, L, C) -> (S, L, C).

        Raises:
            ClnormError: the input has another shape.
        """
        if x.ndim != 3 or x.shape[2] != self.num_channels:
            raise ClnormError(
                f"{type(self).__name__} got an input of shape {tuple(x.shape)}",
                legal=f"(samples, positions, {self.num_channels})",
            )
        return self.normalize(x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)

    def normalize(self, x: Tensor) -> Tensor:
        """(S, L, C) -> (S, L, C), both float32 or wider."""
        raise NotImplementedError

    def affine(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """The weight and bias, (C,) each, in `dtype`."""
        return {"weight": self.weight.to(dtype), "bias": self.bias.to(dtype)}

    def extra_repr(self) -> str:
        return str(self.num_channels)


class RunningNorm(Norm):
    """A norm whose last stage uses the batch's statistics in training and their running average in evaluation.

    Args:
        num_channels: C.
        eps: added to the variance.
        momentum: weight of a batch in the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_channels: int, *, eps: float, momentum: float) -> None:
        super().__init__(num_channels)
        self.eps, self.momentum = eps, momentum
        self.register_buffer("running_mean", torch.zeros(num_channels))
        self.register_buffer("running_var", torch.ones(num_channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long))

    def batch_stage(self, x: Tensor) -> Tensor:
        """Batch Normalization of (S, L, C), which counts and averages the batch while training."""
        affine = self.affine(x.dtype)
        if not self.training:
            return fixed_norm(x, self.running_mean, self.running_var, eps=self.eps, **affine)
        y = batch_norm(x, self.running_mean, self.running_var, momentum=self.momentum, eps=self.eps, **affine)
        self.num_batches_tracked.add_(1)
        return y
