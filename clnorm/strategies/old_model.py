"""The model as it was evaluated before the experience in training: what it gives for a batch."""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.execution.precision import autocast
from clnorm.norms.context import provide_context
from clnorm.training.plugin import Training


class OldModel:
    """A copy of the model that was evaluated when the experience before ended, in evaluation mode.

    Its running statistics are its own, and stay. A norm by statistics of each clip's experience (`bn_task`) takes those
    of the experience before for clips of the one in training, which the old model does not know.

    Args:
        model: the run's.

    Attributes:
        model: the copy.
        knows: how many outputs stand for classes that it was trained on; 0 in the first experience.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.knows = 0

    def renew(self, strategy: Training) -> None:
        """Become the model that was evaluated last: to be called before an experience, in the hook
        `before_train_dataset_adaptation`, since an average of the weights starts anew after that.
        """
        self.model.to(strategy.device)
        if strategy.index:
            self.model.load_state_dict(strategy.evaluated_model.state_dict())
            self.knows = strategy.training_stream.seen_after(strategy.index - 1)

    @torch.no_grad()
    def outputs(self, strategy: Training) -> Tensor:
        """(B, knows) float32: its logits for the strategy's batch, as the clips are trained."""
        batch, precision = strategy.batch, strategy.setup.execution.precision
        if (context_of := strategy.inputs.context_of) is not None:
            context = context_of(batch.ids.numpy())
            provide_context(self.model, replace(context, tasks=context.tasks.clamp(max=strategy.index - 1)))
        with autocast(strategy.device, precision):
            logits: Tensor = self.model(batch.clips)
        return logits[:, : self.knows].float()

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict() if self.knows else None, "knows": self.knows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.knows = int(state["knows"])
        if self.knows:
            self.model.load_state_dict(state["model"])
