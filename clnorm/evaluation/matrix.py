"""From every clip's prediction to the accuracy matrix R, where all metrics start."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from clnorm.errors import UserError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

COLUMNS = ("after", "clip", "label", "predicted", "rank")


def accuracy_matrix(predictions: pd.DataFrame, *, experience_of_class: npt.ArrayLike, num_experiences: int) -> Floats:
    """The accuracy on each experience after each experience.

    Args:
        predictions: one row for each clip and evaluation, with the integer columns `after` (the experience just
            learned, from 0), `clip`, `label`, `predicted` and `rank` (of the true class among the classes allowed,
            from 0); where the class does not say it, also `experience`, the one that the clip is a test of.
        experience_of_class: the experience that brings each class, shape (num_classes,).
        num_experiences: the experiences of the stream; joint training has as many, learned at once.

    Returns:
        R, shape (last `after` + 1, num_experiences): R[t, j] = share of the clips of experience j's classes that are
        correct after experience t, NaN where no clip of them was evaluated. Joint training gives a single row.

    Raises:
        UserError: the frame is empty, lacks a column, holds a clip twice after the same experience, or has a label
            that belongs to no experience.
    """
    after, correct = _evaluations(predictions)
    experience = _experiences(predictions, experience_of_class, num_experiences=num_experiences)
    shape = (int(after.max()) + 1, num_experiences)
    cell = after * num_experiences + experience
    return _shares(cell, correct, size=shape[0] * shape[1]).reshape(shape)


def class_accuracies(predictions: pd.DataFrame, *, num_classes: int) -> Floats:
    """The accuracy on each class after each experience.

    Args:
        predictions: as for `accuracy_matrix`.
        num_classes: of the dataset.

    Returns:
        A, shape (last `after` + 1, num_classes): A[t, c] = share of the clips of class c that are correct after
        experience t, NaN where no clip of it was evaluated.

    Raises:
        UserError: as for `accuracy_matrix`.
    """
    by_label = predictions.drop(columns="experience", errors="ignore")
    return accuracy_matrix(by_label, experience_of_class=range(num_classes), num_experiences=num_classes)


def _evaluations(predictions: pd.DataFrame) -> tuple[Ints, Bools]:
    """`after` and whether the clip is correct, both of shape (rows,)."""
    if missing := [name for name in COLUMNS if name not in predictions.columns]:
        raise UserError(f"columns {', '.join(missing)} are missing", where="predictions", legal=COLUMNS)
    if predictions.empty:
        raise UserError("there is no prediction", where="predictions", hint="train at least one experience")
    if predictions.duplicated(["after", "clip"]).any():
        raise UserError("a clip stands twice after the same experience", where="predictions")
    after = predictions["after"].to_numpy(np.int64)
    if after.min() < 0:
        raise UserError(f"after is {after.min()}", where="predictions", legal="an experience's index, from 0")
    # The prediction itself decides, for a class that ties with the predicted one may rank as high.
    return after, predictions["predicted"].to_numpy(np.int64) == predictions["label"].to_numpy(np.int64)


def _experiences(predictions: pd.DataFrame, experience_of_class: npt.ArrayLike, *, num_experiences: int) -> Ints:
    """The experience of each row, or of its label where the rows do not tell; shape (rows,)."""
    if "experience" in predictions.columns:
        told: Ints = predictions["experience"].to_numpy(np.int64)
        if told.min() < 0 or told.max() >= num_experiences:
            worst = int(told.min() if told.min() < 0 else told.max())
            raise UserError(f"experience {worst} is none", where="predictions", legal=f"0 to {num_experiences - 1}")
        return told
    table = np.asarray(experience_of_class, dtype=np.int64)
    labels = predictions["label"].to_numpy(np.int64)
    if labels.min() < 0 or labels.max() >= len(table):
        worst = int(labels.min() if labels.min() < 0 else labels.max())
        raise UserError(f"label {worst} is no class", where="predictions", legal=f"0 to {len(table) - 1}")
    experience: Ints = table[labels]
    if experience.min() < 0 or experience.max() >= num_experiences:
        label = int(labels[(experience < 0) | (experience >= num_experiences)][0])
        raise UserError(
            f"class {label} belongs to experience {table[label]}",
            where="predictions",
            legal=f"0 to {num_experiences - 1}",
        )
    return experience


def _shares(cell: Ints, correct: Bools, *, size: int) -> Floats:
    """The share of correct rows in each of `size` cells, NaN in an empty one."""
    total = np.bincount(cell, minlength=size).astype(np.float64)
    hits = np.bincount(cell, weights=correct, minlength=size)
    shares: Floats = np.full(size, np.nan)
    np.divide(hits, total, out=shares, where=total > 0)
    return shares


UNTRAINED = -1  # `after` of predictions made before any training, as row -1 of R in the literature
