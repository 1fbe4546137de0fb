"""Batch Normalization with a cumulative average."""

import torch

from clnorm.norms.batch import BatchNorm
from clnorm.norms.context import StepContext


class CumulativeBatchNorm(BatchNorm):
    """Batch Normalization whose running statistics are the plain average of all batches so far.

    Batch k = 1, 2, ... enters with weight 1/k, so that all weigh the same whenever they came, where the exponential
    average of `BatchNorm` follows the last ones. With `reset` the count starts anew in each experience: its first batch
    replaces what was there, a calibration's statistics too. Without `reset`, the average goes on from a calibration's
    batches.

    Args:
        num_channels: C.
        eps: added to the variance.
        reset: whether the average starts anew in each experience.
    """

    last_experience: torch.Tensor

    def __init__(self, num_channels: int, *, eps: float = 1e-5, reset: bool = False) -> None:
        super().__init__(num_channels, eps=eps, momentum=None)
        self.reset = reset
        if reset:
            self.needs = ("experience",)
            self.register_buffer("last_experience", torch.tensor(-1, dtype=torch.long))

    def receive_context(self, context: StepContext | None) -> None:
        super().receive_context(context)
        if self.reset and context is not None and not self.calibrating:
            self.num_batches_tracked.mul_(self.last_experience == context.experience)
            self.last_experience.fill_(context.experience)

    def normalize(self, x: torch.Tensor) -> torch.Tensor:
        if self.reset and self.training:
            self.require_context()
        return super().normalize(x)
