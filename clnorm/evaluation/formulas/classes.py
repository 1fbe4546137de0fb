"""The formulas of metrics of single classes, for data whose classes are unequal or whose experiences are.

A[t, c] is the accuracy, from 0 to 1, on class c after learning experience t, and T is the last experience. Each class
counts the same, however many clips it has. What was not evaluated is NaN, and so is a metric that needs it.
"""

import numpy as np
import numpy.typing as npt

from clnorm.errors import UserError
from clnorm.evaluation.formulas.matrix import NAN, Floats

Groups = npt.NDArray[np.int64]

HEAD, MID, TAIL = 0, 1, 2


def mean_class_accuracy(accuracies: npt.ArrayLike, experiences: npt.ArrayLike) -> float:
    """The final accuracy averaged over classes: mean_c A[T, c].

    Source: Brodersen et al., "The Balanced Accuracy and Its Posterior Distribution", ICPR 2010.

    Args:
        accuracies: A, shape (steps, classes).
        experiences: the experience that brings each class, shape (classes,).
    """
    return _final_mean(*_checked(accuracies, experiences))


def rank_group_accuracy(
    accuracies: npt.ArrayLike, experiences: npt.ArrayLike, train_clips: npt.ArrayLike, *, group: int
) -> float:
    """The final accuracy averaged over the classes of one third: mean_{c in group} A[T, c].

    NaN where no class is in the group, and where all classes have the same number of training clips, so that there is
    neither head nor tail. The published thresholds (more than 100 clips, fewer than 20; Liu et al., "Large-Scale
    Long-Tailed Recognition in an Open World", CVPR 2019) do not fit datasets of this size; thirds by rank do.

    Args:
        accuracies: A, shape (steps, classes).
        experiences: the experience that brings each class, shape (classes,).
        train_clips: training clips of each class, shape (classes,).
        group: HEAD, MID or TAIL.
    """
    matrix, owner = _checked(accuracies, experiences)
    groups = rank_groups(train_clips)
    if len(groups) != matrix.shape[1]:
        raise UserError(f"{len(groups)} counts", where="train_clips", legal=f"{matrix.shape[1]}, one a class")
    chosen = groups == group
    if not chosen.any() or chosen.all():
        return NAN
    return _final_mean(matrix, owner, chosen)


def rank_groups(train_clips: npt.ArrayLike) -> Groups:
    """The third of the ranking by training clips that each class is in: HEAD, MID or TAIL, shape (classes,).

    With the rank q_c = ( #{k: n_k > n_c} + #{k: n_k = n_c} / 2 ) / K of class c among K, from the largest on: head
    where q_c < 1/3, tail where q_c > 2/3. Classes of equal size share a group, so that no order of names decides.
    """
    counts = np.asarray(train_clips)
    larger = (counts[None] > counts[:, None]).sum(axis=1)
    equal = (counts[None] == counts[:, None]).sum(axis=1)
    thirds = 3 * (2 * larger + equal)  # of 2K: in whole numbers, so that a rank on the border is on it
    return np.where(thirds < 2 * len(counts), HEAD, np.where(thirds > 4 * len(counts), TAIL, MID)).astype(np.int64)


def old_accuracy(accuracies: npt.ArrayLike, experiences: npt.ArrayLike) -> float:
    """The accuracy on the classes of earlier experiences, averaged over steps: mean_{t>1} mean_{c: e_c < t} A[t, c].

    Beside `new_accuracy` it shows the bias towards new classes of Wu et al., "Large Scale Incremental Learning", CVPR
    2019. NaN for joint training, which has no old classes.
    """
    return _mean_over_steps(accuracies, experiences, old=True)


def new_accuracy(accuracies: npt.ArrayLike, experiences: npt.ArrayLike) -> float:
    """The accuracy on the classes just learned, averaged over the same steps: mean_{t>1} mean_{c: e_c = t} A[t, c]."""
    return _mean_over_steps(accuracies, experiences, old=False)


def accuracies_by_age(accuracies: npt.ArrayLike, experiences: npt.ArrayLike) -> Floats:
    """The accuracy after each experience on the classes of earlier experiences, and on those just learned.

    Returns:
        Shape (steps, 2), old and new; of the first experience, which has no old classes, old is NaN. Shape (0, 2) for
        joint training and a stream that is not finished.
    """
    matrix, owner = _checked(accuracies, experiences)
    if len(matrix) != owner.max() + 1 or len(matrix) < 2:
        return np.empty((0, 2))
    rows = [[matrix[t, owner < t].mean() if t else NAN, matrix[t, owner == t].mean()] for t in range(len(matrix))]
    return np.array(rows)


def _mean_over_steps(accuracies: npt.ArrayLike, experiences: npt.ArrayLike, *, old: bool) -> float:
    steps = accuracies_by_age(accuracies, experiences)[1:, 0 if old else 1]
    return float(steps.mean()) if len(steps) else NAN


def _final_mean(matrix: Floats, owner: Groups, chosen: npt.NDArray[np.bool_] | None = None) -> float:
    """The mean of the last row, if the stream is finished: the last experience's row, or joint training's only one."""
    if len(matrix) not in (1, owner.max() + 1):
        return NAN
    return float(matrix[-1].mean() if chosen is None else matrix[-1, chosen].mean())


def _checked(accuracies: npt.ArrayLike, experiences: npt.ArrayLike) -> tuple[Floats, Groups]:
    matrix, owner = np.asarray(accuracies, dtype=np.float64), np.asarray(experiences, dtype=np.int64)
    if matrix.ndim != 2 or not matrix.size:
        raise UserError(f"shape {matrix.shape}", where="accuracies", legal="(steps, classes)")
    if ((matrix < 0) | (matrix > 1)).any():
        raise UserError("an entry is outside [0, 1]", where="accuracies", legal="accuracies as shares, and NaN")
    if owner.shape != (matrix.shape[1],):
        raise UserError(f"shape {owner.shape}", where="experiences", legal=f"({matrix.shape[1]},), one a class")
    return matrix, owner
