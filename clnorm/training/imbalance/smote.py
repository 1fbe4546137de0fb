"""SMOTE between clips of different sources, by imbalanced-learn. Needs the extra `imbalance`.

imbalanced-learn takes any estimator of neighbours; the one here knows the source of each point. Clips of one source are
cuts of one video: a point between two of them would be one of them once more.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from imblearn.over_sampling import SMOTE
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class OtherSourceNeighbors(NearestNeighbors):
    """The nearest points, by Euclidean distance, of other sources than the point's own.

    A point with fewer than k of them has these again and again, the nearest first, until there are k.

    Args:
        groups: (n,) the source of each point that will be given to `fit`, at least two of them different.
        n_neighbors: k.
    """

    def __init__(self, groups: npt.NDArray[np.object_], n_neighbors: int) -> None:
        super().__init__(n_neighbors=n_neighbors)
        self.groups = groups

    def fit(self, X: Floats, y: None = None) -> "OtherSourceNeighbors":
        self.points_ = X
        return self

    def kneighbors(self, X: Floats, return_distance: bool = False) -> Ints:
        """(n, 1 + k) for the points (n, d) of `fit`: each point itself, as SMOTE expects, then its neighbours."""
        distances = pairwise_distances(X, self.points_)
        distances[self.groups[:, None] == self.groups[None]] = np.inf
        nearest = np.argsort(distances, axis=1, kind="stable")
        usable = np.isfinite(distances).sum(axis=1)
        columns = np.arange(self.n_neighbors)[None] % np.minimum(usable, self.n_neighbors)[:, None]
        return np.column_stack([np.arange(len(X)), np.take_along_axis(nearest, columns, axis=1)])


@dataclass(frozen=True)
class Smoted:
    """Points balanced by class.

    Args:
        points: (n, d) those given, then the added ones.
        labels: (n,) their classes.
        synthetic: by class, how many were made between two points.
        repeated: by class, how many are copies, since the class has a single source.
    """

    points: Floats
    labels: Ints
    synthetic: dict[int, int]
    repeated: dict[int, int]


def balance_points(
    points: Floats, labels: Ints, groups: npt.NDArray[np.object_], *, k: int, generator: np.random.Generator
) -> Smoted:
    """Bring every class to the number of points of the largest one.

    A new point lies between a point and one of its k nearest of the same class and another source, uniformly on the
    segment (Chawla et al., "SMOTE", JAIR 2002). A class of a single source has its points repeated, in turn.

    Args:
        points: (n, d) features.
        labels: (n,) classes.
        groups: (n,) sources.
        k: neighbours to choose from.
        generator: draws points, neighbours and places.
    """
    classes, counts = np.unique(labels, return_counts=True)
    added, names, synthetic, repeated = [points], [labels], {}, {}
    for label, missing in zip(classes.tolist(), (counts.max() - counts).tolist(), strict=True):
        own = labels == label
        names.append(np.full(missing, label))
        if missing and len(set(groups[own])) > 1:
            neighbours = OtherSourceNeighbors(groups[own], k)
            seed = int(generator.integers(2**32))
            smote = SMOTE(sampling_strategy={label: counts.max()}, k_neighbors=neighbours, random_state=seed)
            added.append(smote.fit_resample(points, labels)[0][len(points) :])
            synthetic[label] = missing
        elif missing:
            shuffled = generator.permutation(points[own])
            added.append(shuffled[np.arange(missing) % len(shuffled)])
            repeated[label] = missing
    return Smoted(np.concatenate(added), np.concatenate(names), synthetic, repeated)
