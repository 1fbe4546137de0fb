"""The formulas of metrics of single predictions, after the last experience T: what a clip is taken for, and how surely.

Each clip counts the same, so that experiences and classes count by their test clips.
"""

import numpy as np
import numpy.typing as npt

from clnorm.errors import UserError
from clnorm.evaluation.formulas.matrix import NAN

BINS = 15
"""Bins of confidence, as in the experiments of Guo et al. 2017."""


def old_as_new(experiences: npt.ArrayLike, predicted: npt.ArrayLike, *, newest: int) -> float:
    """The share of the clips of experiences before the newest that are taken for a class of the newest.

    It is the bias towards new classes of Wu et al., "Large Scale Incremental Learning", CVPR 2019, as a number.

    Args:
        experiences: the experience of each clip's class, shape (clips,).
        predicted: the experience of the class predicted for it, shape (clips,); -1 where no class was.
        newest: T, from 0.
    """
    own, taken = _pairs(experiences, predicted)
    return _share(taken[own < newest] == newest)


def new_as_old(experiences: npt.ArrayLike, predicted: npt.ArrayLike, *, newest: int) -> float:
    """The share of the newest experience's clips that are taken for a class of an earlier one; as `old_as_new`."""
    own, taken = _pairs(experiences, predicted)
    of_new = taken[own == newest]
    return _share((of_new >= 0) & (of_new < newest))


def task_confusion(experiences: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """The share of clips that are not taken for a class of their own experience.

    With `within_task_error` it is the whole error, 1 - the share of correct clips. Source: after Masana et al.,
    "Class-Incremental Learning: Survey and Performance Evaluation on Image Classification", TPAMI 2023, who call it
    inter-task confusion.

    Args:
        experiences: the experience of each clip's class, shape (clips,).
        predicted: the experience of the class predicted for it, shape (clips,); -1 where no class was, which counts.
    """
    own, taken = _pairs(experiences, predicted)
    return _share(taken != own)


def within_task_error(experiences: npt.ArrayLike, predicted: npt.ArrayLike, correct: npt.ArrayLike) -> float:
    """The share of clips that are taken for another class of their own experience.

    Args:
        experiences: the experience of each clip's class, shape (clips,).
        predicted: the experience of the class predicted for it, shape (clips,).
        correct: whether that class is right, shape (clips,).
    """
    own, taken = _pairs(experiences, predicted)
    _, right = _pairs(experiences, correct)
    return _share((taken == own) & ~right.astype(bool))


def expected_calibration_error(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, bins: int = BINS) -> float:
    """ECE: `sum_b n_b / N |share correct in b - mean confidence in b|`, b a bin ((b - 1) / B, b / B] of confidence.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    Args:
        confidence: the probability that the model gives to the class that it predicts, shape (clips,); NaN where it
            gives none, as by nearest means, which leaves no number.
        correct: whether that class is right, shape (clips,).
        bins: B.

    Raises:
        UserError: a confidence is no probability.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if sure.shape != right.shape or sure.ndim != 1:
        raise UserError(f"shapes {sure.shape} and {right.shape}", where="confidence", legal="two of (clips,)")
    if not len(sure) or np.isnan(sure).any():
        return NAN
    if not ((sure >= 0) & (sure <= 1 + 1e-6)).all():  # a softmax in float32 may pass 1 by its rounding
        raise UserError("a confidence is outside [0, 1]", where="confidence", legal="probabilities")
    place = np.digitize(sure, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    gaps = np.bincount(place, weights=right - sure, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure))


def _pairs(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    a, b = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if a.shape != b.shape or a.ndim != 1:
        raise UserError(f"shapes {a.shape} and {b.shape}", where="predictions", legal="two of (clips,)")
    return a, b


def _share(chosen: npt.NDArray[np.bool_]) -> float:
    return float(chosen.mean()) if len(chosen) else NAN
