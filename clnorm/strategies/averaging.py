"""The moving average of a model's weights that is evaluated in its place."""

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage(AveragedModel):
    """theta' <- d_t theta' + (1 - d_t) theta after step t, of parameters and running statistics; theta' = theta first.

    d_t = min(d, (1 + t) / (10 + t)): an experience of few steps would otherwise be evaluated with weights from before
    it. For the same reason the average starts anew with each experience. `module` is the averaged model, a copy of the
    one given.

    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 1992, in its
    exponential form; the bound on d_t is that of TensorFlow's ExponentialMovingAverage.

    Args:
        model: the model that trains.
        decay: d.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        def average(averaged: list[Tensor], current: list[Tensor], steps: Tensor) -> None:
            count = int(steps)
            weight = 1 - min(decay, (1 + count) / (10 + count))
            for held, now in zip(averaged, current, strict=True):
                # A count has no average: rounded down, it would stand still.
                held.lerp_(now, weight) if held.is_floating_point() else held.copy_(now)

        super().__init__(model, multi_avg_fn=average, use_buffers=True)

    def restart(self) -> None:
        """Forget the steps so far: the next one sets the average to the model's weights."""
        self.n_averaged.zero_()
