"""Memory Aware Synapses: parameters matter by how much the outputs change with them, whatever the labels.

After experience k with weights theta*_k:

    Omega_k,i = 1/n sum over clips x of | d ||f(x)||^2 / d theta_i |
    L + lam sum_i (sum_k Omega_k,i) (theta_i - theta*_i)^2,   theta* the latest weights

f(x) are the logits of the classes seen, or of the task's where tasks are known, and the mean is over *single* clips:
the absolute gradient of a batch's mean, as common code has it, goes by the batch size, since gradients of clips cancel.
Importances of all experiences are added up.

Source: Aljundi et al., "Memory Aware Synapses: Learning what (not) to forget", ECCV 2018.
"""

from functools import partial
from typing import Any

from torch import Tensor

from clnorm.strategies.importance import mean_gradients_of_clips, outputs_in_training
from clnorm.strategies.quadratic import QuadraticPenalty, QuadraticPlugin
from clnorm.training.norms.options import require_estimated
from clnorm.training.plugin import Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


def squared_norm(logits: Tensor, targets: Tensor, *, outputs: slice) -> list[tuple[Tensor, float]]:
    """||f(x)||^2 of one clip's logits (1, classes) for some outputs; the targets do not matter."""
    return [(logits[:, outputs].square().sum(), 1.0)]


class MASPlugin(QuadraticPlugin, supports_distributed=True):
    """Measures importances when an experience ends, and penalizes what moves from there.

    Args:
        lam: weight of the penalty.
    """

    first_as_naive = True

    def __init__(self, lam: float) -> None:
        super().__init__(QuadraticPenalty(lam))

    def after_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        scalars = partial(squared_norm, outputs=outputs_in_training(strategy))
        importance = mean_gradients_of_clips(strategy, scalars, power=1)
        for name, before in self.penalty.importance.items():
            importance[name] += before
        self.penalty.replace(importance, dict(strategy.model.named_parameters()))


def mas(setup: Setup, *, lam: float = 1.0) -> ClipStrategy:
    """Memory Aware Synapses."""
    require_estimated(setup.model, setup.config)
    return ClipStrategy(setup=setup, plugins=[MASPlugin(lam)])
