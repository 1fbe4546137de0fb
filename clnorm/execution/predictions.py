"""What a model gives for each clip, and what it predicts among the classes seen so far."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy.special import log_softmax, logsumexp
from torch import Tensor, nn

from clnorm.execution.features import Pair
from clnorm.execution.inputs import Inputs, compute_outputs, split_batches
from clnorm.ranks import Ranks

NONE = -1
"""A prediction where no class that may be predicted is known."""


@dataclass(frozen=True)
class ClipOutputs:
    """What a model gives for n clips.

    Args:
        logits: (views, n, outputs) float32.
        features: (n, d) float32, what its head sees of each clip, the mean over the views; None where only logits were
            asked for.
    """

    logits: np.ndarray
    features: np.ndarray | None


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
    """Predict each clip among the classes seen so far: `run_clips`, then `rank_clips`, whose arguments these are."""
    found = run_clips(
        model,
        inputs,
        ids,
        outputs=len(order),
        batch_size=batch_size,
        precision=precision,
        shuffle=shuffle,
        ranks=ranks,
    )
    return rank_clips(found.logits, ids, targets=targets, order=order, seen=seen, allowed=allowed)


def run_clips(
    model: nn.Module,
    inputs: Inputs,
    ids: np.ndarray,
    *,
    outputs: int,
    batch_size: int,
    precision: str,
    shuffle: np.random.Generator | None = None,
    ranks: Ranks | None = None,
    pair: Pair | None = None,
    views: int = 1,
) -> ClipOutputs:
    """Pass clips through a model in evaluation mode, which is left as it was found; rows are in the order of `ids`.

    Args:
        model: from clips (B, T, 3, H, W) to logits (B, outputs).
        inputs: how clips are read, and what norms are told of them.
        ids: (n,) the clips.
        outputs: of the model.
        batch_size: most clips in a batch; batches are as equal as can be.
        precision: of the forward pass.
        shuffle: draws which clips share a batch, where that matters.
        ranks: the processes that share the batches; each batch passes the model in one of them, and all get all rows.
        pair: the same forward pass with what the head sees, where that is asked for; see `cut_at_head`.
        views: of V views of a clip, view v = 0, 1, ... shows the frame at (2 v + 1) / 2 V of each of its T equal
            segments, rounded down; one view shows the middle frames.

    Raises:
        ClnormError: an output is not finite, with the norm site at which that began, if it did at one.
    """
    places = np.arange(len(ids)) if shuffle is None else shuffle.permutation(len(ids))
    batches, of_views = split_batches(ids[places], batch_size), []

    def forward(clips: Tensor) -> Tensor:
        parts = (model(clips),) if pair is None else pair(clips)
        return torch.cat([part.float() for part in parts], dim=1)

    for view in range(views):
        shown = None if views == 1 else (2 * view + 1) / (2 * views)
        of_view = inputs if shown is None else replace(inputs, shown=shown)
        compute = partial(compute_outputs, model, of_view, precision=precision, forward=forward)
        rows = compute(batches) if ranks is None or ranks.size == 1 else _compute_together(compute, batches, ranks)
        of_views.append(rows[np.argsort(places)])
    features, logits = np.split(np.stack(of_views), [of_views[0].shape[1] - outputs], axis=2)
    return ClipOutputs(logits, None if pair is None else features.mean(axis=0))


def rank_clips(
    logits: np.ndarray,
    ids: np.ndarray,
    *,
    targets: np.ndarray,
    order: np.ndarray,
    seen: int,
    allowed: np.ndarray | None = None,
) -> pd.DataFrame:
    """What is predicted for each clip: the class whose softmax, averaged over the views, is largest.

    Args:
        logits: (views, n, outputs).
        ids: (n,) the clips.
        targets: (clips,) the output that stands for each clip's class.
        order: (classes,) the class id that each output stands for.
        seen: how many outputs, the first ones, may be predicted. A clip of another class is then an error of the model.
        allowed: (n, outputs) bool; which of these each clip may be, its own class among them, where its experience is
            known; None: all of them.

    Returns:
        One row a clip: `clip`, `label`, `predicted` (class ids), `rank` of the true class among those allowed (0 is
        right; the number allowed, where the class is not among them), `confidence` (softmax of the predicted class).
    """
    scores = _limit(logits, seen=seen, allowed=allowed)
    # The logarithm of a mean of softmaxes gives that mean as its own softmax.
    scores = scores[0] if len(scores) == 1 else logsumexp(log_softmax(scores.astype(np.float64), axis=2), axis=0)
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return _rank(scores, ids, targets=targets, order=order).assign(
        confidence=(1 / shifted.sum(axis=1)).astype(np.float32)
    )


def rank_by_means(
    scores: np.ndarray,
    ids: np.ndarray,
    *,
    targets: np.ndarray,
    order: np.ndarray,
    seen: int,
    allowed: np.ndarray | None = None,
) -> pd.DataFrame:
    """What is predicted for each clip by scores (n, outputs) as `score_by_means` gives them: the nearest class mean.

    Returns:
        As `rank_clips`, from whose arguments the others are; `predicted` is `NONE` where no class that a clip may be
        has a mean, and `confidence` is NaN, since distances are no probabilities.
    """
    limited = _limit(scores, seen=seen, allowed=allowed)
    frame, known = _rank(limited, ids, targets=targets, order=order), np.isfinite(limited).any(axis=1)
    return frame.assign(
        predicted=np.where(known, frame["predicted"], NONE),
        rank=np.where(known, frame["rank"], limited.shape[1]),
        confidence=np.float32(np.nan),
    )


def _limit(scores: np.ndarray, *, seen: int, allowed: np.ndarray | None) -> np.ndarray:
    """Scores (..., n, outputs) of the first `seen` outputs, those that a clip cannot be at -inf."""
    first = scores[..., :seen]
    return first if allowed is None else np.where(allowed[:, :seen], first, -np.inf)


def _compute_together(
    compute: Callable[[list[np.ndarray]], np.ndarray], batches: list[np.ndarray], ranks: Ranks
) -> np.ndarray:
    """(n, ...) what `compute` gives for batches, each computed by one of the processes."""
    mine = range(ranks.rank, len(batches), ranks.size)
    own = compute([batches[number] for number in mine]) if mine else np.zeros((0, 0), dtype=np.float32)
    rows = torch.zeros(sum(map(len, batches)), ranks.largest(own.shape[1]), dtype=torch.float32)
    if mine:
        ends = np.cumsum([len(batch) for batch in batches])
        places = np.concatenate([np.arange(ends[number] - len(batches[number]), ends[number]) for number in mine])
        rows[places] = torch.as_tensor(own)
    return ranks.sum(rows).numpy()


def _rank(scores: np.ndarray, ids: np.ndarray, *, targets: np.ndarray, order: np.ndarray) -> pd.DataFrame:
    """Of scores (n, allowed): the output with the highest, and the rank of the true one.

    Ties go to the lower output, as in argmax.
    """
    allowed, wanted = scores.shape[1], targets[ids]
    ranking = np.argsort(-scores, axis=1, kind="stable")
    place = np.argsort(ranking, axis=1, kind="stable")
    inside = wanted < allowed
    rank = np.full(len(wanted), allowed, dtype=np.int64)
    rank[inside] = place[np.flatnonzero(inside), wanted[inside]]
    return pd.DataFrame({"clip": ids, "label": order[wanted], "predicted": order[ranking[:, 0]], "rank": rank})
