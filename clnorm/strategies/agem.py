"""A-GEM: a step that would raise the loss of the memory's clips is turned until it does not.

With g the gradient of the current clips' loss and g_ref that of the memory's clips in the same batch, both of all
parameters as one vector:

    g~ = g                                       where g . g_ref >= 0
    g~ = g - (g . g_ref / g_ref . g_ref) g_ref   else                                         (eq. 11)

Both are gradients of one forward pass (or of one each, by `train.forward`), of the whole batch, however many pieces it
passes the model in; what norms add to the loss is part of g. Clipping and the optimizer have g~. The optimizer here is
AdamW, for whose steps, unlike plain gradient descent's, the projection is no guarantee.

Source: Chaudhry et al., "Efficient Lifelong Learning with A-GEM", ICLR 2019.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from clnorm.errors import UserError
from clnorm.strategies.halves import clip_losses, refuse_mixing, refuse_other_losses
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.remembering import create_memory
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


@torch.no_grad()
def project(gradients: Sequence[Tensor], reference: Sequence[Tensor]) -> None:
    """Turn the gradients g, in place, where they go against the reference g_ref, a tensor for each parameter.

    Where a number is not finite, nor is what is left in g: a scaler of mixed precision then leaves the step out.
    """
    along = float(sum((g * r).sum() for g, r in zip(gradients, reference, strict=True)))
    if along >= 0 and math.isfinite(along):
        return
    squared = float(sum(r.square().sum() for r in reference))
    share = along / squared if math.isfinite(along) else math.nan
    for gradient, against in zip(gradients, reference, strict=True):
        gradient.sub_(against * share)


class ProjectionPlugin(MethodPlugin):
    """Takes both gradients of a batch, and projects before the optimizer's step."""

    first_as_naive = True

    def __init__(self) -> None:
        super().__init__()
        self._reference: list[Tensor] = []

    def before_training_iteration(self, strategy: Training, **kwargs: Any) -> None:
        self._reference = []

    def loss(self, strategy: Training, logits: Tensor) -> Tensor:
        batch = strategy.batch
        if not len(strategy.memory):
            return strategy.classify(logits, batch)
        current, _ = batch.split(logits)
        return batch.mean_current(clip_losses(strategy, current, batch.current))

    def before_backward(self, strategy: Training, **kwargs: Any) -> None:
        batch = strategy.batch
        if not batch.count_recalled():
            return
        _, remembered = batch.split(strategy.mb_output.float())
        loss = batch.mean_remembered(clip_losses(strategy, remembered, batch.remembered))
        gradients = strategy.gradients(loss)
        if self._reference:
            torch._foreach_add_(self._reference, gradients)
        else:
            self._reference = gradients

    def before_update(self, strategy: Training, **kwargs: Any) -> None:
        if not self._reference:
            return
        trained = [parameter for parameter in strategy.model.parameters() if parameter.requires_grad]
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        project([parameter.grad for parameter in trained if parameter.grad is not None], self._reference)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Every batch begins anew."""


def agem(
    setup: Setup,
    *,
    per_class: int | str = 5,
    share: float = 0.5,
    total: int | str = "none",
    select: str = "random",
) -> ClipStrategy:
    """Averaged Gradient Episodic Memory: gradients that do not go against those of the memory's clips.

    Raises:
        UserError: a compiled model, whose graph one backward pass uses up.
    """
    refuse_mixing(setup)
    if setup.execution.compile:
        what = "agem takes two backward passes of one forward pass, which a compiled model does not allow"
        raise UserError(what, where="train.compile", legal="false")
    memory = create_memory(setup, per_class=per_class, total=total, select=select)
    method = ProjectionPlugin()
    strategy = ClipStrategy(setup=setup, plugins=[method], share=share, exemplars=memory, loss=method.loss)
    return refuse_other_losses(strategy, setup.config)
