"""What features say without the head that was trained on them: nearest class means, and how much they have changed."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_TINY = 1e-12


def unit_rows(features: npt.ArrayLike) -> Floats:
    """(n, d): rows of length 1 in the L2 norm; a row of zeros stays."""
    rows = np.asarray(features, dtype=np.float64)
    units: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)
    return units


def class_means(features: npt.ArrayLike, targets: Ints, *, classes: int) -> Floats:
    """(classes, d): the mean of each class's normalized features, normalized again; NaN for a class without clips.

    Source: Rebuffi et al., "iCaRL: Incremental Classifier and Representation Learning", CVPR 2017, algorithm 1 and
    section 2.1: all features are L2-normalized, and so is the result of any operation on them.

    Args:
        features: (n, d).
        targets: (n,) the class of each, from 0.
        classes: how many there are.
    """
    units = unit_rows(features)
    means = np.full((classes, units.shape[1]), np.nan)
    for label in np.unique(targets):
        means[label] = units[targets == label].mean(axis=0)
    return unit_rows(means)


def score_by_means(features: npt.ArrayLike, means: Floats) -> Floats:
    """(n, classes): minus the distance of each normalized feature to each class mean; -inf where there is no mean.

    The class of the highest score is the nearest one: argmin_y ||phi(x) - mu_y||, algorithm 1 of iCaRL.

    Args:
        features: (n, d).
        means: (classes, d) as `class_means` gives them.
    """
    units, known = unit_rows(features), ~np.isnan(means).any(axis=1)
    scores = np.full((len(units), len(means)), -np.inf)
    # ||a - b||^2 = |a|^2 - 2 a b + |b|^2, where rounding may leave a little less than nothing.
    squares = (units**2).sum(1)[:, None] - 2 * units @ means[known].T + (means[known] ** 2).sum(1)
    scores[:, known] = -np.sqrt(np.maximum(squares, 0))
    return scores


def linear_cka(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Linear centered kernel alignment of two features of the same n clips; NaN where one of them is constant.

    ||Y'X||_F^2 / (||X'X||_F ||Y'Y||_F) with centered columns: 1 where one is the other rotated and scaled, and 0 where
    all columns of the one are uncorrelated with those of the other. With few clips and many columns it is biased
    towards 1. Source: Kornblith, Norouzi, Lee, Hinton, "Similarity of Neural Network Representations Revisited", ICML
    2019, equation 5.

    Args:
        x: (n, d).
        y: (n, e).
    """
    a, b = _center(x), _center(y)
    if not a.any() or not b.any():
        return float("nan")
    return float(np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))


def _center(features: npt.ArrayLike) -> Floats:
    """(n, d) with the mean taken from each column; 0 where all that is left is the mean's rounding."""
    rows = np.asarray(features, dtype=np.float64)
    left = rows - rows.mean(axis=0)
    return np.where(np.abs(left) > _TINY * np.abs(rows).max(initial=0), left, 0.0)
