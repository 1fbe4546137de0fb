"""The loss of a training step. What a strategy adds, such as a penalty, is its plug-in's."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from clnorm.norms import take_auxiliary_loss
from clnorm.training.batch import Batch


def compute_loss(
    logits: Tensor,
    batch: Batch,
    *,
    model: nn.Module,
    classify: Callable[[Tensor, Tensor], Tensor],
    seen: int | None,
) -> Tensor:
    """The loss of classification, shared by the two clips of a mixture, and what the norms add to it; a scalar.

    Args:
        logits: (B, classes), in float32.
        batch: the B clips.
        model: whose norms may add a loss of their own, which is taken from them.
        classify: the mean loss of logits for targets (B,): the cross-entropy, that of `train.imbalance`, or that of
            tasks that are known.
        seen: how many of the first outputs are trained; None for all.
    """
    allowed = logits[:, :seen]
    loss = classify(allowed, batch.targets)
    if batch.own_share < 1:
        loss = torch.lerp(classify(allowed, batch.partners), loss, batch.own_share)
    added = take_auxiliary_loss(model)
    return loss if added is None else loss + added
