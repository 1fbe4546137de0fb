"""Forgetting cut into parts that sum to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clnorm.errors import UserError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """What each old experience j < T forgot, (T - 1,) each, from 0 to 1: `forgetting` is the sum of the three others.

    Args:
        forgetting: best_j - A0_j.
        statistics: A1_j - A0_j.
        head: A2_j - A1_j.
        features: best_j - A2_j.
    """

    forgetting: Floats
    statistics: Floats
    head: Floats
    features: Floats


def best_before(matrix: Sequence[Sequence[float | None]]) -> Floats:
    """(T - 1,) max_{j <= t < T} R[t, j]: the best accuracy on each old experience before the last one was trained.

    It is what `clnorm.evaluation.formulas.matrix.forgetting` starts from; source: Chaudhry et al. 2018.

    Raises:
        UserError: R is not of a stream of at least two experiences, each trained in turn.
    """
    R = np.array([[np.nan if value is None else value for value in row] for row in matrix], dtype=np.float64)
    if R.ndim != 2 or R.shape[0] != R.shape[1] or len(R) < 2 or np.isnan(R[np.tril_indices(len(R))]).any():
        what = "it has no old experience, so that nothing can be forgotten"
        raise UserError(what, legal="a run of at least two experiences, trained one after the other")
    return np.array([R[j:-1, j].max() for j in range(len(R) - 1)])


def split_forgetting(best: Floats, final: Floats, first: Floats, both: Floats, *, statistics_first: bool) -> Parts:
    """The parts of best - final.

    With A0 the accuracy of the model as it is, A1 of the model with one of two things made anew on all training clips
    and A2 with both, what A1 gains is that one's part, what A2 gains on it the other's, and what A2 still lacks of the
    best the features'. Which of two comes first may move accuracy from one part to the other; their sum stays.

    Args:
        best: (n,) of each old experience.
        final: (n,) A0.
        first: (n,) A1.
        both: (n,) A2.
        statistics_first: whether A1 is with statistics made anew; else it is with a head fitted anew.
    """
    early, late = first - final, both - first
    statistics, head = (early, late) if statistics_first else (late, early)
    return Parts(best - final, statistics, head, best - both)
