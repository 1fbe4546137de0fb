"""Learning without Forgetting: the model before the experience teaches its outputs for the experience's own clips.

From the second experience on, over the classes that the old model knows, with y' = softmax(z / T) of the old model's
logits and of the new one's:

    L + lam 1/n sum_clips - sum_c y'_old,c log y'_new,c

The clips are those of the batch as they are trained, augmented and mixed. The old model is the one that was evaluated
before the experience began. It is in evaluation mode: running statistics are its own, and stay. A norm by statistics
of each clip's experience (`bn_task`) takes those of the experience before for clips of the one in training, which the
old model does not know. The paper's new-task loss is over the new classes; here L is that of `train.loss`.

Source: Li and Hoiem, "Learning without Forgetting", ECCV 2016 and TPAMI 2018, whose loss has no factor T^2.
"""

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.execution.precision import autocast
from clnorm.norms.context import provide_context
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


def distillation(logits: Tensor, old: Tensor, *, temperature: float) -> Tensor:
    """The mean cross-entropy of softened outputs: logits (B, old classes) for those of the old model, a scalar."""
    taught = torch.softmax(old / temperature, dim=1)
    return -(taught * torch.log_softmax(logits / temperature, dim=1)).sum(dim=1).mean()


class LwFPlugin(MethodPlugin, supports_distributed=True):
    """Adds the distillation from the model before the experience to the loss.

    Args:
        model: the run's; the old one is a copy of it.
        lam: weight of the distillation.
        temperature: T.
    """

    first_as_naive = True

    def __init__(self, model: nn.Module, *, lam: float, temperature: float) -> None:
        super().__init__()
        self._old = copy.deepcopy(model).requires_grad_(False).eval()
        self._lam, self._temperature = lam, temperature
        self._knows = False

    def before_train_dataset_adaptation(self, strategy: Training, **kwargs: Any) -> None:
        # Before the average of the weights starts anew: the old model is the one that was evaluated.
        self._old.to(strategy.device)
        if strategy.index:
            self._old.load_state_dict(strategy.evaluated_model.state_dict())
            self._knows = True

    def before_backward(self, strategy: Training, **kwargs: Any) -> None:
        if not self._knows:
            return
        known = strategy.training_stream.seen_after(strategy.index - 1)
        old, new = self._teach(strategy)[:, :known], strategy.mb_output[:, :known].float()
        strategy.loss += self._lam * distillation(new, old, temperature=self._temperature)

    @torch.no_grad()
    def _teach(self, strategy: Training) -> Tensor:
        """(B, classes) float32: the old model's logits for the batch."""
        batch = strategy.batch
        if (context_of := strategy.inputs.context_of) is not None:
            context = context_of(batch.ids.numpy())
            provide_context(self._old, replace(context, tasks=context.tasks.clamp(max=strategy.index - 1)))
        with autocast(strategy.device, strategy.setup.execution.precision):
            logits: Tensor = self._old(batch.clips)
        return logits.float()

    def state_dict(self) -> dict[str, Any]:
        return {"old": self._old.state_dict() if self._knows else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._knows = state["old"] is not None
        if self._knows:
            self._old.load_state_dict(state["old"])


def lwf(setup: Setup, *, lam: float = 1.0, temperature: float = 2.0) -> ClipStrategy:
    """Learning without Forgetting, by distillation from the model before each experience."""
    return ClipStrategy(setup=setup, plugins=[LwFPlugin(setup.model, lam=lam, temperature=temperature)])
