"""A quadratic penalty on how far parameters have moved, and the plug-in of the methods that are little else."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.training.plugin import MethodPlugin, Training

Named = dict[str, Tensor]


class QuadraticPenalty:
    """strength (sum_i importance_i (theta_i - anchor_i)^2 + constant), with its gradient in closed form.

    The sum over several such penalties is one of them: its importance is their sum, its anchor their mean weighted by
    importance, and what is left is the constant. It is kept in that form, which does not cancel near the anchor.

    Args:
        strength: of the penalty.

    Attributes:
        importance: of each parameter, not negative, by name; where it is empty there is no penalty.
        anchor: where each parameter is held.
        constant: what the penalty is at the anchor, over its strength.
    """

    def __init__(self, strength: float) -> None:
        self.strength = strength
        self.importance: Named = {}
        self.anchor: Named = {}
        self.constant = 0.0

    @torch.no_grad()
    def add(self, importance: Named, parameters: Mapping[str, Tensor]) -> None:
        """Add a penalty that anchors the parameters where they are now."""
        for name, added in importance.items():
            now = parameters[name].detach().clone()
            if name not in self.importance:
                self.importance[name], self.anchor[name] = added, now
                continue
            total = self.importance[name] + added
            # Where nothing was ever important the share is 0/0; the anchor does not matter there.
            share = torch.where(total > 0, added / total, 0.0)
            moved = now - self.anchor[name]
            self.constant += (self.importance[name] * share * moved**2).sum().item()
            self.importance[name], self.anchor[name] = total, self.anchor[name] + share * moved

    @torch.no_grad()
    def replace(self, importance: Named, parameters: Mapping[str, Tensor]) -> None:
        """Anchor the parameters where they are now, with this importance, in place of all before."""
        self.importance = dict(importance)
        self.anchor = {name: parameters[name].detach().clone() for name in importance}

    @torch.no_grad()
    def add_gradient(self, parameters: Mapping[str, Tensor], *, scale: Tensor) -> Tensor:
        """Add the penalty's gradient, times `scale`, to the parameters' gradients; the penalty, a scalar.

        A parameter without a gradient is not trained: it stays where it was anchored, and without one.
        """
        gradients = {name: grad for name in self.importance if (grad := parameters[name].grad) is not None}
        names = list(gradients)
        trained = [parameters[name] for name in names]
        moved = torch._foreach_sub(trained, [self.anchor[name] for name in names])
        pulled = torch._foreach_mul(moved, [self.importance[name] for name in names])
        # Of what is not negative the sum of absolute values is the sum.
        total = torch.stack(torch._foreach_norm(torch._foreach_mul(moved, pulled), 1)).sum()
        torch._foreach_mul_(pulled, 2 * self.strength * scale)
        torch._foreach_add_(list(gradients.values()), pulled)
        return self.strength * (total + self.constant)

    def move_to(self, device: torch.device) -> None:
        """Have the tensors on a device; those of a state that was read back lie on the CPU."""
        self.importance, self.anchor = moved_to(device, self.importance), moved_to(device, self.anchor)


class QuadraticPlugin(MethodPlugin):
    """Adds a quadratic penalty to the loss of each batch, and its gradient to that of the batch.

    Once a batch, whatever the pieces it passes the model in, and after the gradients of several processes are added up,
    so that each of them adds the same. No graph is built for it.

    A state is read back to the CPU, between two experiences or within one, when the hooks before it have run already.

    Args:
        penalty: what is added.

    Attributes:
        device: where the model is, once training has begun.
    """

    def __init__(self, penalty: QuadraticPenalty) -> None:
        super().__init__()
        self.penalty, self.device = penalty, torch.device("cpu")

    def before_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        self.device = strategy.device
        self.penalty.move_to(self.device)

    def before_update(self, strategy: Training, **kwargs: Any) -> None:
        if self.penalty.importance:
            scale = strategy.scale_loss(torch.ones((), device=strategy.device))
            value = self.penalty.add_gradient(dict(strategy.model.named_parameters()), scale=scale)
            strategy.loss = strategy.loss.detach() + value

    def state_dict(self) -> dict[str, Any]:
        held = self.penalty
        return {"importance": held.importance, "anchor": held.anchor, "constant": held.constant}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        held = self.penalty
        held.importance, held.anchor, held.constant = state["importance"], state["anchor"], state["constant"]
        held.move_to(self.device)


def moved_to(device: torch.device, tensors: Named) -> Named:
    """Tensors on a device, by name."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trainable parameters of a model, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
