"""The moving average of a model's weights that is evaluated in its place."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage(AveragedModel):
    """theta' <- d theta' + (1 - d) theta after each step, of parameters and running statistics; theta' = theta first.

    `module` is the averaged model, a copy of the one given. Polyak and Juditsky, "Acceleration of Stochastic
    Approximation by Averaging", SIAM J. Control Optim. 1992, in its exponential form.

    Args:
        model: the model that trains.
        decay: d.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        super().__init__(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take up the model's weights after a step."""
        super().update_parameters(model)
        # A count has no average: rounded down, it would stand still.
        for averaged, current in zip(self.module.buffers(), model.buffers(), strict=True):
            if not current.is_floating_point():
                averaged.copy_(current)
