"""The loss of classification in a training step. What a strategy adds, such as a penalty, is its plug-in's."""

from collections.abc import Callable

import torch
from torch import Tensor

from clnorm.training.batch import Batch


def classification_loss(
    logits: Tensor,
    batch: Batch,
    *,
    classify: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """The loss of classification, shared by the two clips of a mixture; a scalar.

    Args:
        logits: (B, classes), in float32.
        batch: the B clips.
        classify: the mean loss of logits for targets (B,): the cross-entropy, that of `train.imbalance`, or that of
            tasks that are known, over the outputs that are trained.
    """
    loss = classify(logits, batch.targets)
    if batch.own_share < 1:
        loss = torch.lerp(classify(logits, batch.partners), loss, batch.own_share)
    return loss
