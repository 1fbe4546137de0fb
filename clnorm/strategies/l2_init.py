"""L2 Init: weights are held to where the run began, so that they stay able to learn.

    L + lam sum_i (theta_i - theta_0,i)^2,   theta_0 the initial weights, pretrained ones where they are loaded

It holds in the first experience, too, of every parameter that trains, and beside the optimizer's weight decay.

Source: Kumar, Marklund and Van Roy, "Maintaining Plasticity in Continual Learning via Regenerative Regularization",
arXiv 2308.11958, 2023.
"""

from typing import Any

import torch

from clnorm.strategies.quadratic import QuadraticPenalty, QuadraticPlugin, trained_parameters
from clnorm.training.plugin import Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class L2InitPlugin(QuadraticPlugin, supports_distributed=True):
    """Penalizes what moves from the initial weights.

    Args:
        lam: weight of the penalty.
    """

    def __init__(self, lam: float) -> None:
        super().__init__(QuadraticPenalty(lam))

    def before_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        parameters = trained_parameters(strategy.model)
        if not self.penalty.anchor:
            self.penalty.anchor = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        self.penalty.importance = {name: torch.ones((), dtype=held.dtype) for name, held in self.penalty.anchor.items()}
        super().before_training_exp(strategy, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        return {"anchor": self.penalty.anchor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.penalty.anchor = state["anchor"]
        self.penalty.move_to(self.device)


def l2_init(setup: Setup, *, lam: float = 0.01) -> ClipStrategy:
    """Fine-tuning with weights held to the initial ones."""
    return ClipStrategy(setup=setup, plugins=[L2InitPlugin(lam)])
