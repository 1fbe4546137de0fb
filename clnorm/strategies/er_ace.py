"""ER-ACE: the current clips push no class away that is not among them.

With X_in the current clips of a batch, X_bf those from the memory, and L(X, C) the mean over X of the cross-entropy
whose softmax is over the classes C:

    L(X_bf, C_old and C_curr) + L(X_in, C_curr)

C_curr are the classes of the batch's current clips, however many pieces it passes the model in, and C_old and C_curr
all classes seen (or all, by `train.loss`). The two means are added: each counts as a whole, whatever their shares of
the batch. Without a memory, in the first experience, the loss is the plain cross-entropy, as in the authors' code; that
code also leaves the classes that no experience has reached in C_curr, where here the paper's equation holds.

Source: Caccia et al., "New Insights on Reducing Abrupt Representation Change in Online Continual Learning", ICLR 2022.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clnorm.strategies.halves import clip_losses, refuse_mixing, refuse_other_losses
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.remembering import create_memory
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class AsymmetricPlugin(MethodPlugin, supports_distributed=True):
    """Knows the classes of each batch's current clips, and gives the loss of the batch or of a piece of it."""

    first_as_naive = True

    def __init__(self) -> None:
        super().__init__()
        self._present = torch.empty(0, dtype=torch.int64)

    def before_training_iteration(self, strategy: Training, **kwargs: Any) -> None:
        self._present = strategy.batch.current.targets.unique()

    def loss(self, strategy: Training, logits: Tensor) -> Tensor:
        batch = strategy.batch
        if not len(strategy.memory):
            return strategy.classify(logits, batch)
        current, remembered = batch.split(logits)
        place = torch.searchsorted(self._present, batch.current.targets)
        smoothing = strategy.setup.config.train.label_smoothing
        losses = F.cross_entropy(current[:, self._present], place, reduction="none", label_smoothing=smoothing)
        recalled = clip_losses(strategy, remembered, batch.remembered)
        return batch.mean_current(losses) + batch.mean_remembered(recalled)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Every batch begins anew."""


def er_ace(
    setup: Setup,
    *,
    per_class: int | str = 5,
    share: float = 0.5,
    total: int | str = "none",
    select: str = "random",
) -> ClipStrategy:
    """Experience replay with an asymmetric cross-entropy."""
    refuse_mixing(setup)
    memory = create_memory(setup, per_class=per_class, total=total, select=select)
    method = AsymmetricPlugin()
    strategy = ClipStrategy(setup=setup, plugins=[method], share=share, exemplars=memory, loss=method.loss)
    return refuse_other_losses(strategy, setup.config)
