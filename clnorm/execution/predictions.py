"""One pass over clips: what a model predicts for each of them."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from clnorm.data.store.loader import read_batches
from clnorm.data.store.store import ClipStore
from clnorm.errors import ClnormError
from clnorm.execution.inputs import pixels_to_input
from clnorm.execution.precision import autocast
from clnorm.norms.context import StepContext, in_evaluation, provide_context
from clnorm.norms.finite import find_nonfinite_site


@torch.no_grad()
def predict_clips(
    model: nn.Module,
    store: ClipStore,
    ids: np.ndarray,
    *,
    targets: np.ndarray,
    order: np.ndarray,
    seen: int,
    batch_size: int,
    device: torch.device,
    precision: str,
    shuffle: np.random.Generator | None = None,
    contexts: Callable[[np.ndarray], StepContext] | None = None,
) -> pd.DataFrame:
    """Predict each clip among the classes seen so far, in evaluation mode, which is left as it was found.

    Args:
        model: from clips (B, T, 3, H, W) to logits (B, classes).
        store: the clips.
        ids: (n,) clips to predict.
        targets: (clips,) the output that stands for each clip's class.
        order: (classes,) the class id that each output stands for.
        seen: how many outputs, the first ones, may be predicted. A clip of another class is then an error of the model.
        batch_size: most clips in a batch; batches are as equal as can be.
        device: where the model is.
        precision: of the forward pass.
        shuffle: draws which clips share a batch, where that matters; the rows are in the order of `ids` all the same.
        contexts: from the ids of a batch to what norms are told of it.

    Returns:
        One row a clip: `clip`, `label`, `predicted` (class ids), `rank` of the true class among those allowed (0 is
        right; the number allowed, where the class is not among them), `confidence` (softmax of the predicted class).

    Raises:
        ClnormError: an output is not finite, with the norm site at which that began, if it did at one.
    """
    places = np.arange(len(ids)) if shuffle is None else shuffle.permutation(len(ids))
    batches = np.array_split(ids[places], math.ceil(len(ids) / batch_size))
    ranked = _rank_batches(
        model, store, batches, targets=targets, seen=seen, device=device, precision=precision, contexts=contexts
    )
    back = np.argsort(places)
    predicted, rank, confidence = (column[back] for column in ranked)
    columns = {"clip": ids, "label": order[targets[ids]], "predicted": order[predicted], "rank": rank}
    return pd.DataFrame(columns | {"confidence": confidence.astype(np.float32)})


def _rank_batches(
    model: nn.Module,
    store: ClipStore,
    batches: list[np.ndarray],
    *,
    targets: np.ndarray,
    seen: int,
    device: torch.device,
    precision: str,
    contexts: Callable[[np.ndarray], StepContext] | None,
) -> tuple[np.ndarray, ...]:
    """What `_rank` says of each clip, in the order of `batches`; modules are left in the modes they were found in."""
    rows = []
    with in_evaluation(model):
        for batch, pixels in read_batches(store, batches):
            if contexts is not None:
                provide_context(model, contexts(batch))
            inputs = pixels_to_input(pixels.to(device, non_blocking=True))
            with autocast(device, precision):
                logits = model(inputs)
                _require_finite(logits, model, inputs)
            rows.append(_rank(logits[:, :seen].float().cpu().numpy(), targets[batch]))
    return tuple(np.concatenate(column) for column in zip(*rows, strict=True))


def _require_finite(logits: Tensor, model: nn.Module, inputs: Tensor) -> None:
    if not torch.isfinite(logits).all():
        site = find_nonfinite_site(model, partial(model, inputs))
        raise ClnormError(
            "the model's outputs are not finite" + ("" if site is None else f", first at {site}"),
            hint="lower train.lr, or use train.precision=fp32",
        )


def _rank(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of logits (B, seen): the predicted output, the rank of the target and the softmax of the prediction, each (B,).

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
