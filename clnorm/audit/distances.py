"""How far apart two sets of clips are in one statistic, and whether chance alone would do that."""

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import wasserstein_distance

from clnorm.data.table import Ids

Floats = npt.NDArray[np.float64]
_BLOCK = 100  # permutations at a time, so that memory does not grow with their number


def scaled_distance(a: Floats, b: Floats) -> float:
    """The 1-Wasserstein distance of two samples in pooled standard deviations.

    W1 = integral |F_a - F_b|, over s with s^2 = ((n_a - 1) s_a^2 + (n_b - 1) s_b^2) / (n_a + n_b - 2). For two normal
    samples of one width it is Cohen's d; it also sees differences of width and shape. NaN where a sample is empty or
    there are fewer than three values; infinite where neither varies and they differ.

    Source: Vaserstein 1969; Cohen 1988 for the scale.
    """
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if not len(a) or not len(b) or len(a) + len(b) < 3:
        return math.nan
    distance = float(wasserstein_distance(a, b))
    squares = float(((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum())
    spread = math.sqrt(squares / (len(a) + len(b) - 2))
    if spread == 0:
        return 0.0 if distance == 0 else math.inf
    return distance / spread


def class_share(values: Floats, labels: Ids) -> float:
    """eta^2, the share of a statistic's variance that lies between classes: 0 to 1, NaN where it does not vary.

    sum_c n_c (mean_c - mean)^2 / sum_i (x_i - mean)^2. Source: Fisher 1925, the correlation ratio.
    """
    known = np.isfinite(values)
    values, labels = values[known], labels[known]
    if len(values) < 2 or (total := float(((values - values.mean()) ** 2).sum())) == 0:
        return math.nan
    counts = np.bincount(labels)
    means = np.bincount(labels, weights=values) / np.maximum(counts, 1)
    return float((counts * (means - values.mean()) ** 2).sum() / total)


class SourceShuffle:
    """Random divisions of whole sources into training and test, class by class, as many of each as in the true one.

    Clips of a source are not independent, so they change sides together: a unit is the clips of one class, source and
    split. Under the null hypothesis the units of a class are exchangeable.

    Args:
        labels: (n,) class of each clip.
        sources: (n,) source of each clip.
        is_test: (n,) whether it is a test clip.
    """

    def __init__(self, labels: Ids, sources: Ids, is_test: npt.NDArray[np.bool_]) -> None:
        keys = np.stack([labels, sources, is_test.astype(np.int64)], axis=1)
        units, self._unit_of = np.unique(keys, axis=0, return_inverse=True)
        self._unit_of = self._unit_of.reshape(-1)
        self._is_test, self._true = units[:, 2].astype(bool), is_test
        self._classes = [np.flatnonzero(units[:, 0] == label) for label in np.unique(units[:, 0])]

    @property
    def log_divisions(self) -> float:
        """The natural logarithm of the number of different divisions."""
        chosen = [(len(units), int(self._is_test[units].sum())) for units in self._classes]
        return sum(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for n, k in chosen)

    def p_value(self, values: Floats, *, draws: int, generator: np.random.Generator) -> float:
        """P(W1 of a random division >= W1 of the true one), estimated as (1 + hits) / (1 + draws).

        Args:
            values: (n,) finite.
            draws: random divisions.
            generator: draws them.

        Source: Phipson and Smyth 2010, Permutation P-values Should Never Be Zero.
        """
        order = np.argsort(values, kind="stable")
        steps = np.diff(values[order])
        true = _wasserstein(self._true[None, order], steps)[0]
        hits = 0
        for start in range(0, draws, _BLOCK):
            drawn = self._draw(min(_BLOCK, draws - start), generator)[:, self._unit_of[order]]
            hits += int((_wasserstein(drawn, steps) >= true * (1 - 1e-9)).sum())
        return (1 + hits) / (1 + draws)

    def _draw(self, count: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
        """(count, units) whether a unit is in the test set of each random division."""
        drawn = np.zeros((count, len(self._is_test)), dtype=bool)
        for units in self._classes:
            ranks = generator.random((count, len(units))).argsort(axis=1).argsort(axis=1)
            drawn[:, units] = ranks < self._is_test[units].sum()
        return drawn


def _wasserstein(is_test: npt.NDArray[np.bool_], steps: Floats) -> Floats:
    """(rows,) W1 between the two sides of each row's division of the same sorted values; `steps` are their gaps."""
    test = np.cumsum(is_test, axis=1, dtype=np.float64)
    train = np.arange(1, is_test.shape[1] + 1) - test
    gap = np.abs(test / test[:, -1:] - train / train[:, -1:])[:, :-1]
    return gap @ steps
