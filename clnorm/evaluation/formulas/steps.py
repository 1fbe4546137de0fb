"""The formulas of continual evaluation: of accuracies measured every few steps, within experiences too.

A model may forget much at the start of an experience and win it back by its end, which R cannot show: the stability
gap. Source of both: De Lange, van de Ven and Tuytelaars, "Continual evaluation for lifelong learning: Identifying the
stability gap", ICLR 2023 (arXiv 2205.13452).
"""

import numpy as np
import numpy.typing as npt

from clnorm.errors import UserError
from clnorm.evaluation.formulas.matrix import NAN, check_matrix, is_stream


def minimum_accuracy(
    R: npt.ArrayLike, experiences: npt.ArrayLike, tested: npt.ArrayLike, accuracies: npt.ArrayLike
) -> float:
    """min-ACC: the lowest accuracy on an experience once it was learned, averaged: mean_{j<T} min_{n > n_j} a_j(n).

    n are the steps at which the accuracy a_j on experience j was measured, those at the ends of later experiences
    among them, which R holds; n_j is the last step of experience j.

    Args:
        R: the accuracy matrix.
        experiences: the experience that was in training at each measurement, from 0, shape (measurements,).
        tested: the experience that was tested, shape (measurements,).
        accuracies: the accuracy on it, shape (measurements,).

    Returns:
        NaN where an experience before T was never tested within a later one, so that its lowest point is not known.

    Raises:
        UserError: they do not fit, or are no accuracies.
    """
    matrix = check_matrix(R)
    try:
        during, of, values = (np.asarray(array, dtype=np.float64) for array in (experiences, tested, accuracies))
    except (TypeError, ValueError):
        raise UserError("not numbers", where="steps", legal="an experience, one tested, and the accuracy") from None
    if not during.shape == of.shape == values.shape or values.ndim != 1:
        raise UserError(f"shapes {during.shape}, {of.shape} and {values.shape}", where="steps", legal="three alike")
    if ((values < 0) | (values > 1)).any():
        raise UserError("an accuracy is outside [0, 1]", where="steps", legal="accuracies as shares, and NaN")
    if not is_stream(matrix):
        return NAN
    lowest = []
    for j in range(len(matrix) - 1):
        later = values[(of == j) & (during > j)]
        lowest.append(min(later.min(), matrix[j + 1 :, j].min()) if len(later) else NAN)
    return float(np.mean(lowest)) if np.isfinite(lowest).all() else NAN


def worst_case_accuracy(
    R: npt.ArrayLike, experiences: npt.ArrayLike, tested: npt.ArrayLike, accuracies: npt.ArrayLike
) -> float:
    """WC-ACC: R[T, T] / T + (1 - 1 / T) min-ACC, with T the number of experiences; arguments as `minimum_accuracy`."""
    lowest = minimum_accuracy(R, experiences, tested, accuracies)
    matrix = check_matrix(R)
    share = 1 / len(matrix)
    return share * float(matrix[-1, -1]) + (1 - share) * lowest
