"""The formulas of continual learning's metrics of the accuracy matrix R.

R has a row for each experience learned and a column for each experience tested: R[t, j] is the accuracy, from 0 to 1,
on experience j after learning experience t, and T is the last experience. An entry that was not evaluated is NaN, as a
rule those of experiences to come (j > t). Joint training learns all experiences at once: one row, shape (1, n).

Papers give one name to several definitions, so each definition has a name of its own here. A metric that needs an
entry that is not there, or that means nothing for this shape (the forgetting of one experience), is NaN: never an
error, and never the mean of what is left. All functions raise UserError for an R that is no matrix of accuracies.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clnorm.errors import UserError

Floats = npt.NDArray[np.float64]
Weights = Sequence[float] | Floats
NAN = float("nan")


def accuracy(R: npt.ArrayLike) -> float:
    """ACC, the final accuracy: mean_j R[T, j]. Source: Lopez-Paz and Ranzato 2017."""
    matrix = check_matrix(R)
    return float(matrix[-1].mean()) if _is_finished(matrix) else NAN


def average_incremental_accuracy(R: npt.ArrayLike, weights: Weights | None = None) -> float:
    """A-bar: the mean over t of the accuracy on all experiences seen at t, weighted by `weights`.

    With the test clips of each experience as weights (micro) it is the mean accuracy over all clips of the classes
    seen (Rebuffi et al. 2017); without weights each experience counts the same (macro; Wang et al. 2024). Joint
    training has seen every experience in its one row.
    """
    matrix = check_matrix(R)
    weights = _weights(weights, matrix)
    if not _is_finished(matrix):
        return NAN
    seen = [matrix.shape[1]] if len(matrix) == 1 else range(1, len(matrix) + 1)
    return float(np.mean([_mean(row[:count], weights[:count]) for row, count in zip(matrix, seen, strict=True)]))


def forgetting(R: npt.ArrayLike) -> float:
    """Forgetting, from each experience's best: mean_{j<T} (max_{j<=t<T} R[t, j] - R[T, j]).

    Source: Chaudhry et al. 2018, whose maximum runs over all t < T; before an experience is learned its accuracy is
    not evaluated here, so the maximum starts at t = j. The code of mammoth and of PyCIL takes the maximum up to and
    including T, so that an experience that ends at its best counts 0 there, and less than 0 here.
    """
    matrix = check_matrix(R)
    if not is_stream(matrix):
        return NAN
    return float(np.mean([matrix[j:-1, j].max() - matrix[-1, j] for j in range(len(matrix) - 1)]))


def bwt(R: npt.ArrayLike) -> float:
    """BWT, backward transfer: mean_{j<T} (R[T, j] - R[j, j]). Source: Lopez-Paz and Ranzato 2017."""
    return 0.0 - bwf(R)


def bwf(R: npt.ArrayLike) -> float:
    """BWF, backward forgetting: mean_{j<T} (R[j, j] - R[T, j]) = -BWT. Source: Villa et al. 2022, as printed."""
    matrix = check_matrix(R)
    return vclimb_forgetting(matrix, np.ones(matrix.shape[1]))


def vclimb_forgetting(R: npt.ArrayLike, classes: Weights) -> float:
    """BWF weighted by the classes c_j of each experience: sum_{j<T} c_j (R[j, j] - R[T, j]) / sum_{j<T} c_j.

    Source: Villa et al. 2022, as their published code computes it; it is BWF where experiences are equal.
    """
    matrix = check_matrix(R)
    weights = _weights(classes, matrix)
    if not is_stream(matrix):
        return NAN
    return _mean((np.diag(matrix) - matrix[-1])[:-1], weights[:-1])


def tcd_forgetting(R: npt.ArrayLike, clips: Weights) -> float:
    """The mean one-step drop, weighted by clips n_j: mean_{t>1} sum_{j<t} n_j (R[t-1, j] - R[t, j]) / sum_{j<t} n_j.

    Source: Park, Kang and Han 2021 (TCD), as their published code computes it.
    """
    matrix = check_matrix(R)
    weights = _weights(clips, matrix)
    if not is_stream(matrix):
        return NAN
    drops = matrix[:-1] - matrix[1:]
    return float(np.mean([_mean(drops[t - 1, :t], weights[:t]) for t in range(1, len(matrix))]))


def base_drop(R: npt.ArrayLike) -> float:
    """What the first experience loses in the end: R[1, 1] - R[T, 1]."""
    matrix = check_matrix(R)
    return float(matrix[0, 0] - matrix[-1, 0]) if is_stream(matrix) else NAN


def fwt(R: npt.ArrayLike, untrained: Weights | None) -> float:
    """FWT, forward transfer: mean_{j>1} (R[j-1, j] - u_j), u_j the accuracy on j before any training.

    It needs R above its diagonal. With one head and classes unseen it says little.
    Source: Lopez-Paz and Ranzato 2017.
    """
    matrix = check_matrix(R)
    if untrained is None or not is_stream(matrix):
        return NAN
    before = check_matrix(np.asarray(untrained)[None])[0]
    if len(before) != len(matrix):
        raise UserError(f"untrained has {len(before)} entries", where="fwt", legal=f"{len(matrix)}, one an experience")
    return float(np.mean(np.diag(matrix, 1) - before[1:]))


def learning_accuracy(R: npt.ArrayLike) -> float:
    """LA, the accuracy on each experience just after it: mean_j R[j, j]. Source: Riemer et al. 2019."""
    matrix = check_matrix(R)
    return float(np.diag(matrix).mean()) if matrix.shape[0] == matrix.shape[1] else NAN


def retention(R: npt.ArrayLike, joint: npt.ArrayLike | None, clips: Weights | None = None) -> float:
    """The share of joint training's A-bar that is kept: A-bar(R) / A-bar(joint), both weighted by `clips`."""
    kept = average_incremental_accuracy(R, clips)
    whole = NAN if joint is None else average_incremental_accuracy(joint, clips)
    return kept / whole if whole > 0 else NAN


def check_matrix(R: npt.ArrayLike) -> Floats:
    """R as numbers.

    Raises:
        UserError: it is no matrix of accuracies.
    """
    try:
        matrix = np.asarray(R, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError("not numbers in rows of one length", where="R", legal="a matrix of accuracies") from None
    if matrix.ndim != 2 or not matrix.size:
        raise UserError(f"shape {matrix.shape}", where="R", legal="(experiences learned, experiences tested)")
    if ((matrix < 0) | (matrix > 1)).any():
        raise UserError("an entry is outside [0, 1]", where="R", legal="accuracies as shares, and NaN")
    if matrix.shape[0] > matrix.shape[1]:
        raise UserError(f"shape {matrix.shape} has more rows than columns", where="R", hint="a row an experience")
    return matrix


def _weights(weights: Weights | None, matrix: Floats) -> Floats:
    """One weight for each column, all 1 where none are given, shape (n,)."""
    array = np.ones(matrix.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    if array.shape != (matrix.shape[1],) or not (array >= 0).all() or not np.isfinite(array).all():
        raise UserError(
            f"weights {array.tolist()} do not fit", where="metrics", legal=f"{matrix.shape[1]} numbers >= 0"
        )
    return array


def _mean(values: Floats, weights: Floats) -> float:
    total = weights.sum()
    return float((values * weights).sum() / total) if total > 0 else NAN


def _is_finished(matrix: Floats) -> bool:
    """Whether the last row is the last of its stream, or joint training's only one."""
    return len(matrix) in (1, matrix.shape[1])


def is_stream(matrix: Floats) -> bool:
    """Whether every experience was learned in turn, and at least one has become old."""
    rows, columns = len(matrix), len(matrix[0])
    return rows == columns and rows > 1
