"""Synaptic Intelligence: parameters matter by how much of the loss's fall their own change has brought.

Over the steps t of experience k, which moves the weights from theta_k-1 to theta_k:

    omega_k,i = - sum_t g_i(t) (theta_i(t + 1) - theta_i(t))                                  (the path integral, eq. 3)
    Omega_i   = sum_k max(0, omega_k,i) / ((theta_k,i - theta_k-1,i)^2 + xi)                                     (eq. 5)
    L + c sum_i Omega_i (theta_i - theta*_i)^2,   theta* the weights at the end of the experience before         (eq. 4)

g is the gradient of the loss on the batch as it is trained, without the penalty, before clipping; other code, such as
Avalanche's, takes the total one. theta(t + 1) - theta(t) is what the optimizer does: with AdamW it is not a multiple of
the gradient, and weight decay, which is decoupled from it, is a part of it, since the loss changes along the path that
the weights take. An omega below zero, which the path integral of a noisy gradient can have, would have the penalty push
away, and counts as zero.

Source: Zenke, Poole and Ganguli, "Continual Learning Through Synaptic Intelligence", ICML 2017.
"""

from typing import Any

import torch
from torch import Tensor

from clnorm.strategies.quadratic import Named, QuadraticPenalty, QuadraticPlugin, moved_to, trained_parameters
from clnorm.training.plugin import Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class SIPlugin(QuadraticPlugin, supports_distributed=True):
    """Follows the path of the weights, and penalizes what moves from where an experience began.

    Args:
        c: weight of the penalty.
        xi: added to the squared change of a parameter.

    Attributes:
        path: omega of the experience in training, of each parameter.
    """

    def __init__(self, c: float, *, xi: float) -> None:
        super().__init__(QuadraticPenalty(c))
        self.path: Named = {}
        self._xi = xi
        self._step: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    def before_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        parameters = trained_parameters(strategy.model)
        self.path = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        self.penalty.anchor = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        super().before_training_exp(strategy, **kwargs)

    def before_update(self, strategy: Training, **kwargs: Any) -> None:
        scale = strategy.scale_loss(torch.ones((), device=strategy.device))
        for name, parameter in trained_parameters(strategy.model).items():
            if parameter.grad is not None:
                self._step[name] = parameter, parameter.detach().clone(), parameter.grad / scale
        super().before_update(strategy, **kwargs)

    @torch.no_grad()
    def after_update(self, strategy: Training, **kwargs: Any) -> None:
        now, before, gradients = ([step[place] for step in self._step.values()] for place in range(3))
        falls = torch._foreach_mul(torch._foreach_sub(before, now), gradients)
        if strategy.setup.execution.precision == "fp16":
            for fall in falls:  # a step whose gradients overflow is not taken: nothing has moved, times infinity
                fall.nan_to_num_(nan=0.0)
        torch._foreach_add_([self.path[name] for name in self._step], falls)
        self._step.clear()

    @torch.no_grad()
    def after_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        importance, parameters = self.penalty.importance, trained_parameters(strategy.model)
        for name, path in self.path.items():
            moved = parameters[name] - self.penalty.anchor[name]
            added = path.clamp(min=0) / (moved.square() + self._xi)
            importance[name] = importance[name] + added if name in importance else added

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "path": self.path}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.path = moved_to(self.device, state["path"])


def si(setup: Setup, *, c: float = 3.0, xi: float = 0.001) -> ClipStrategy:
    """Synaptic Intelligence."""
    return ClipStrategy(setup=setup, plugins=[SIPlugin(c, xi=xi)])
