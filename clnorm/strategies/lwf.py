"""Learning without Forgetting: the model before the experience teaches its outputs for the experience's own clips.

From the second experience on, with y' = softmax(z / T) over the classes that the old model knows, of its logits and of
the new ones:

    L(new classes) + lam 1/n sum_clips - sum_c y'_old,c log y'_new,c

L is the mean cross-entropy whose softmax is over the classes that the experience's clips have, so that these push away
no other class: what is not new in the paper's sense, in streams where classes come again, is among them. Where tasks
are known, each has a softmax of its own, and the sum is over them, as in the paper.

The clips are those of the batch as they are trained, augmented and mixed. The old model is the one that was evaluated
before the experience began. It is in evaluation mode: running statistics are its own, and stay. A norm by statistics
of each clip's experience (`bn_task`) takes those of the experience before for clips of the one in training, which the
old model does not know.

Source: Li and Hoiem, "Learning without Forgetting", ECCV 2016 and TPAMI 2018, whose loss has no factor T^2.
"""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.strategies.halves import refuse_other_losses
from clnorm.strategies.old_model import OldModel
from clnorm.training.loss import classification_loss
from clnorm.training.norms.options import require_estimated
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


def distillation(logits: Tensor, old: Tensor, *, temperature: float) -> Tensor:
    """The mean cross-entropy of softened outputs: logits (B, old classes) for those of the old model, a scalar."""
    taught = torch.softmax(old / temperature, dim=1)
    return -(taught * torch.log_softmax(logits / temperature, dim=1)).sum(dim=1).mean()


class LwFPlugin(MethodPlugin, supports_distributed=True):
    """Gives the loss over the experience's classes, and adds the distillation from the model before it.

    Args:
        model: the run's; the old one is a copy of it.
        lam: weight of the distillation.
        temperature: T.
    """

    first_as_naive = True

    def __init__(self, model: nn.Module, *, lam: float, temperature: float) -> None:
        super().__init__()
        self._old = OldModel(model)
        self._own = torch.empty(0, dtype=torch.int64)
        self._lam, self._temperature = lam, temperature

    def before_train_dataset_adaptation(self, strategy: Training, **kwargs: Any) -> None:
        self._old.renew(strategy)

    def before_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        self._own = strategy.balancing.shown.nonzero()[:, 0]  # also what a flip makes of a clip's class

    def loss(self, strategy: Training, logits: Tensor) -> Tensor:
        if not self._old.knows or strategy.training_stream.knows_tasks:
            return strategy.classify(logits, strategy.batch)
        return classification_loss(logits, strategy.batch, classify=partial(self._classify_own, strategy))

    def _classify_own(self, strategy: Training, logits: Tensor, targets: Tensor) -> Tensor:
        place, smoothing = torch.searchsorted(self._own, targets), strategy.setup.config.train.label_smoothing
        return F.cross_entropy(logits[:, self._own], place, label_smoothing=smoothing)

    def before_backward(self, strategy: Training, **kwargs: Any) -> None:
        if not (known := self._old.knows):
            return
        new, old = strategy.mb_output[:, :known].float(), self._old.outputs(strategy)
        for task in _tasks(strategy, known):
            strategy.loss += self._lam * distillation(new[:, task], old[:, task], temperature=self._temperature)

    def state_dict(self) -> dict[str, Any]:
        return self._old.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._old.load_state_dict(state)


def _tasks(strategy: Training, known: int) -> list[slice]:
    """The outputs of each softmax: all that the old model knows in one, or those of each task where these are known."""
    stream = strategy.training_stream
    if not stream.knows_tasks:
        return [slice(0, known)]
    ends = [stream.seen_after(index) for index in range(strategy.index)]
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def lwf(setup: Setup, *, lam: float = 10.0, temperature: float = 2.0) -> ClipStrategy:
    """Learning without Forgetting, by distillation from the model before each experience.

    Raises:
        UserError: `train.loss=all`, a loss of `train.imbalance`, or statistics that nothing has estimated.
    """
    require_estimated(setup.model, setup.config)
    if setup.config.train.loss == "all":
        what = "the softmax of lwf is over the classes of the experience's own clips"
        raise UserError(what, where="train.loss", legal="seen")
    method = LwFPlugin(setup.model, lam=lam, temperature=temperature)
    return refuse_other_losses(ClipStrategy(setup=setup, plugins=[method], loss=method.loss), setup.config)
