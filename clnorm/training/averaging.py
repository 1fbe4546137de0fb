"""The moving average of a model's weights that is evaluated in its place."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from clnorm.config.sections import TrainConfig
from clnorm.execution.execution import Execution, compile_model

_ETA = 3


class WeightAverage(AveragedModel):
    """theta' <- d_t theta' + (1 - d_t) theta after step t = 1, 2, ..., of parameters and running statistics.

    d_t = min(d, (t - 1) / (t + eta)), eta = 3: a polynomial average, whose window grows with the steps taken, until it
    is that of the exponential average with decay d. A fixed window would reach beyond the few steps of a short
    experience; for the same reason the average starts anew with each one. `module` is the averaged model, a copy of
    the one given.

    Shamir and Zhang, "Stochastic Gradient Descent for Non-smooth Optimization", ICML 2013 (polynomial-decay averaging);
    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 1992.

    Args:
        model: the model that trains.
        decay: d.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        def average(averaged: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int) -> None:
            count = int(steps)  # before this one; the first is torch's to copy
            weight = 1 - min(decay, count / (count + 1 + _ETA))
            for held, now in zip(averaged, current, strict=True):
                # A count has no average: rounded down, it would stand still.
                held.lerp_(now, weight) if held.is_floating_point() else held.copy_(now)

        super().__init__(model, multi_avg_fn=average, use_buffers=True)

    def restart(self) -> None:
        """Forget the steps so far: the next one sets the average to the model's weights."""
        self.n_averaged.zero_()


def create_average(model: nn.Module, recipe: TrainConfig, execution: Execution) -> WeightAverage | None:
    """The average of a model's weights, where the recipe asks for one."""
    if not recipe.ema:
        return None
    average = WeightAverage(model, decay=recipe.ema)
    if execution.compile:  # a copy of a compiled model is not compiled
        compile_model(average.module)
    return average
