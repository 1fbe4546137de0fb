"""What a model predicts for each clip, among the classes seen so far."""

import numpy as np
import pandas as pd
import torch
from torch import nn

from clnorm.execution.inputs import Inputs, compute_outputs, split_batches
from clnorm.ranks import Ranks


def predict_clips(
    model: nn.Module,
    inputs: Inputs,
    ids: np.ndarray,
    *,
    targets: np.ndarray,
    order: np.ndarray,
    seen: int,
    allowed: np.ndarray | None = None,
    batch_size: int,
    precision: str,
    shuffle: np.random.Generator | None = None,
    ranks: Ranks | None = None,
) -> pd.DataFrame:
    """Predict each clip among the classes seen so far, in evaluation mode, which is left as it was found.

    Args:
        model: from clips (B, T, 3, H, W) to logits (B, classes).
        inputs: how clips are read, and what norms are told of them.
        ids: (n,) clips to predict.
        targets: (clips,) the output that stands for each clip's class.
        order: (classes,) the class id that each output stands for.
        seen: how many outputs, the first ones, may be predicted. A clip of another class is then an error of the model.
        allowed: (n, outputs) bool; which of these each clip may be, its own class among them, where its experience is
            known; None: all of them.
        batch_size: most clips in a batch; batches are as equal as can be.
        precision: of the forward pass.
        shuffle: draws which clips share a batch, where that matters; the rows are in the order of `ids` all the same.
        ranks: the processes that share the batches; each batch passes the model in one of them, and all get all rows.

    Returns:
        One row a clip: `clip`, `label`, `predicted` (class ids), `rank` of the true class among those allowed (0 is
        right; the number allowed, where the class is not among them), `confidence` (softmax of the predicted class).

    Raises:
        ClnormError: an output is not finite, with the norm site at which that began, if it did at one.
    """
    places = np.arange(len(ids)) if shuffle is None else shuffle.permutation(len(ids))
    batches = split_batches(ids[places], batch_size)
    if ranks is None or ranks.size == 1:
        logits = compute_outputs(model, inputs, batches, precision=precision)
    else:
        logits = _compute_together(model, inputs, batches, precision=precision, outputs=len(order), ranks=ranks)
    logits = logits[np.argsort(places), :seen]
    if allowed is not None:
        logits = np.where(allowed[:, :seen], logits, -np.inf)
    predicted, rank, confidence = _rank(logits, targets[ids])
    columns = {"clip": ids, "label": order[targets[ids]], "predicted": order[predicted], "rank": rank}
    return pd.DataFrame(columns | {"confidence": confidence.astype(np.float32)})


def _compute_together(
    model: nn.Module, inputs: Inputs, batches: list[np.ndarray], *, precision: str, outputs: int, ranks: Ranks
) -> np.ndarray:
    """As `compute_outputs`, (n, outputs), each batch by one of the processes."""
    mine = range(ranks.rank, len(batches), ranks.size)
    rows = torch.zeros(sum(map(len, batches)), outputs, dtype=torch.float32)
    if mine:
        ends = np.cumsum([len(batch) for batch in batches])
        places = np.concatenate([np.arange(ends[number] - len(batches[number]), ends[number]) for number in mine])
        rows[places] = torch.as_tensor(
            compute_outputs(model, inputs, [batches[number] for number in mine], precision=precision)
        )
    return ranks.sum(rows).numpy()


def _rank(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of logits (n, seen): the predicted output, the rank of the target and the softmax of the prediction, each (n,).

    Ties go to the lower output, as in argmax.
    """
    allowed = logits.shape[1]
    ranking = np.argsort(-logits, axis=1, kind="stable")
    place = np.argsort(ranking, axis=1, kind="stable")
    inside = targets < allowed
    rank = np.full(len(targets), allowed, dtype=np.int64)
    rank[inside] = place[np.flatnonzero(inside), targets[inside]]
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return ranking[:, 0], rank, 1 / shifted.sum(axis=1)
