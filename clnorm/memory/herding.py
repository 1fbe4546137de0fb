"""Herding: the exemplars of a class whose mean comes closest to the class's mean, one after the other."""

import numpy as np


def herd(features: np.ndarray, count: int) -> np.ndarray:
    """(count,) places of the exemplars, in the order in which they are chosen: a shorter list is its beginning.

        p_k = argmin_x || mu - (phi(x) + sum_{j<k} phi(p_j)) / k ||,   mu the mean of all phi(x), no clip twice

    The features are divided by their length first, as the published code does. Ties go to the first clip.
    Source: Rebuffi et al., "iCaRL: Incremental Classifier and Representation Learning", CVPR 2017, algorithm 4.

    Args:
        features: (n, C), not all zero in any row.
        count: how many exemplars, at most n.
    """
    unit = features.astype(np.float64)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    mean, total, free = unit.mean(axis=0), np.zeros(unit.shape[1]), np.ones(len(unit), dtype=bool)
    chosen = np.empty(count, dtype=np.int64)
    for place in range(count):
        distances = np.linalg.norm(mean - (unit + total) / (place + 1), axis=1)
        chosen[place] = int(np.argmin(np.where(free, distances, np.inf)))
        free[chosen[place]] = False
        total += unit[chosen[place]]
    return chosen
