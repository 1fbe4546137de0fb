"""Dark Experience Replay, and its variant with labels: the memory keeps outputs beside the clips.

With h the model's logits, z those kept beside a clip of the memory M, and l the cross-entropy:

    DER    E_current [ l(y, h(x)) ] + alpha E_M [ || z - h(x) ||^2 ]                          (eq. 5)
    DER++  E_current [ l(y, h(x)) ] + alpha E_M [ || z - h(x) ||^2 ] + beta E_M [ l(y, h(x)) ]     (eq. 6)

The squared distance is a mean over all outputs of the head, not a sum, as in the authors' code; the defaults of alpha
are larger than theirs. Each expectation is a mean over the batch's clips of that kind, so that it counts as a whole,
whatever their shares of the batch.

Two things differ from the paper. There z is what the model gave while it was trained, at the step at which a reservoir
took the clip in; here the memory takes clips in when an experience ends, as for all strategies, and z is what the model
that is evaluated gives then for the clip as it is evaluated, by running statistics. And there the terms with alpha and
beta have a draw from the memory each; here the same clips serve both, since the batch has one size for all strategies.

Source: Buzzega et al., "Dark Experience for General Continual Learning: a Strong, Simple Baseline", NeurIPS 2020.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from clnorm.execution.execution import run_eagerly
from clnorm.execution.inputs import compute_outputs, split_batches
from clnorm.strategies.halves import clip_losses, refuse_exchanged, refuse_mixing, refuse_other_losses
from clnorm.training.norms.options import require_estimated
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.remembering import create_memory
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class DarkPlugin(MethodPlugin, supports_distributed=True):
    """Keeps the logits of the memory's clips, and gives the loss.

    Args:
        alpha: weight of the squared distance of logits.
        beta: weight of the cross-entropy of the memory's clips.
    """

    first_as_naive = True

    def __init__(self, *, alpha: float, beta: float) -> None:
        super().__init__()
        self._alpha, self._beta = alpha, beta

    def loss(self, strategy: Training, logits: Tensor) -> Tensor:
        batch, memory = strategy.batch, strategy.exemplars
        if memory is None or not len(memory):
            return strategy.classify(logits, batch)
        current, remembered = batch.split(logits)
        kept = memory.payload["logits"][torch.as_tensor(memory.rows(batch.remembered.ids.numpy()))]
        apart = (remembered - kept.to(logits.device)).square().mean(dim=1)
        loss = batch.mean_current(clip_losses(strategy, current, batch.current))
        loss = loss + self._alpha * batch.mean_remembered(apart)
        if self._beta:
            recalled = clip_losses(strategy, remembered, batch.remembered)
            loss = loss + self._beta * batch.mean_remembered(recalled)
        return loss

    def payload(self, strategy: Training, ids: np.ndarray) -> dict[str, Tensor]:
        setup = strategy.setup
        if not len(ids):
            return {"logits": torch.empty(0, setup.stream.num_classes)}
        batches = split_batches(ids, setup.config.eval.batch_size)
        with run_eagerly(setup.execution):
            outputs = compute_outputs(
                strategy.evaluated_model, strategy.inputs, batches, precision=setup.execution.precision
            )
        logits = torch.as_tensor(outputs)
        strategy.ranks.give(logits)  # machines may round otherwise
        return {"logits": logits}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The logits are part of the memory."""


def der(
    setup: Setup,
    *,
    per_class: int | str = 5,
    share: float = 0.5,
    total: int | str = "none",
    select: str = "random",
    alpha: float = 10.0,
) -> ClipStrategy:
    """Dark Experience Replay: the memory's clips are held to their outputs, without labels."""
    return derpp(setup, per_class=per_class, share=share, total=total, select=select, alpha=alpha, beta=0.0)


def derpp(
    setup: Setup,
    *,
    per_class: int | str = 5,
    share: float = 0.5,
    total: int | str = "none",
    select: str = "random",
    alpha: float = 3.0,
    beta: float = 1.0,
) -> ClipStrategy:
    """Dark Experience Replay++: the memory's clips are held to their outputs, and trained by their labels, too."""
    refuse_mixing(setup)
    refuse_exchanged(setup, "keeps the outputs that a clip had before it was flipped")
    require_estimated(setup.model, setup.config)
    memory = create_memory(setup, per_class=per_class, total=total, select=select)
    method = DarkPlugin(alpha=alpha, beta=beta)
    strategy = ClipStrategy(setup=setup, plugins=[method], share=share, exemplars=memory, loss=method.loss)
    return refuse_other_losses(strategy, setup.config)
