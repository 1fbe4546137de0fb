"""How far apart two sets of clips are in one statistic, and whether chance alone would do that."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from clnorm.data.table import Ids

Floats = npt.NDArray[np.float64]
_BLOCK = 100  # divisions at a time, so that memory does not grow with their number


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
    both = np.concatenate([a, b])
    order = np.argsort(both, kind="stable")
    distance = float(_wasserstein((order < len(a))[None], np.diff(both[order]))[0])
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
    """Divisions of whole sources into training and test, as many of each kind in each as in the true one.

    Clips of a source are not independent, so they change sides together: a unit is all clips of a source in a split, of
    whatever classes. Under the null hypothesis units with the same set of classes are exchangeable, so that every
    class keeps its number of sources in either split.

    Args:
        labels: (n,) class of each clip.
        sources: (n,) source of each clip.
        is_test: (n,) whether it is a test clip.
    """

    def __init__(self, labels: Ids, sources: Ids, is_test: npt.NDArray[np.bool_]) -> None:
        keys = np.stack([sources, is_test.astype(np.int64)], axis=1)
        units, self._unit_of = np.unique(keys, axis=0, return_inverse=True)
        self._unit_of = self._unit_of.reshape(-1)
        self._is_test, self._true = units[:, 1].astype(bool), is_test
        classes: dict[int, list[int]] = {}
        for unit, label in np.unique(np.stack([self._unit_of, labels], axis=1), axis=0).tolist():
            classes.setdefault(unit, []).append(label)
        kinds: dict[tuple[int, ...], list[int]] = {}
        for unit, own in classes.items():
            kinds.setdefault(tuple(own), []).append(unit)
        self._kinds = [np.array(kinds[own]) for own in sorted(kinds)]

    @property
    def divisions(self) -> int:
        """The number of different divisions, the true one included."""
        return math.prod(math.comb(len(units), int(self._is_test[units].sum())) for units in self._kinds)

    def p_value(self, values: Floats, *, draws: int, generator: np.random.Generator) -> float:
        """P(W1 of a division >= W1 of the true one).

        The share of all divisions where there are no more than 1 + draws, which is exact; else estimated from random
        ones as (1 + hits) / (1 + draws).

        Args:
            values: (n,) finite.
            draws: random divisions.
            generator: draws them.

        Source: Fisher 1935, The Design of Experiments, for the exact test; Phipson and Smyth 2010, Permutation P-values
        Should Never Be Zero.
        """
        order = np.argsort(values, kind="stable")
        steps = np.diff(values[order])
        true = _wasserstein(self._true[None, order], steps)[0]
        exact = self.divisions <= 1 + draws
        hits = 0
        for units in self._list() if exact else self._draw(draws, generator):
            hits += int((_wasserstein(units[:, self._unit_of[order]], steps) >= true * (1 - 1e-9)).sum())
        return hits / self.divisions if exact else (1 + hits) / (1 + draws)

    def _draw(self, count: int, generator: np.random.Generator) -> Iterator[npt.NDArray[np.bool_]]:
        """Random divisions, some at a time: (rows, units) whether a unit is in the test set."""
        for start in range(0, count, _BLOCK):
            drawn = np.zeros((min(_BLOCK, count - start), len(self._is_test)), dtype=bool)
            for units in self._kinds:
                ranks = generator.random((len(drawn), len(units))).argsort(axis=1).argsort(axis=1)
                drawn[:, units] = ranks < self._is_test[units].sum()
            yield drawn

    def _list(self) -> Iterator[npt.NDArray[np.bool_]]:
        """All divisions, some at a time, as `_draw` gives them."""
        ways = (itertools.combinations(units, int(self._is_test[units].sum())) for units in self._kinds)
        divisions = itertools.product(*ways)
        while chosen := list(itertools.islice(divisions, _BLOCK)):
            listed = np.zeros((len(chosen), len(self._is_test)), dtype=bool)
            for row, of_kinds in enumerate(chosen):
                listed[row, list(itertools.chain(*of_kinds))] = True
            yield listed


def _wasserstein(is_first: npt.NDArray[np.bool_], steps: Floats) -> Floats:
    """W1 between the two sides of divisions of the same sorted values.

    Args:
        is_first: (rows, n) the side of each value, in each division.
        steps: (n - 1,) the differences of successive values.

    Returns:
        (rows,).
    """
    first = np.cumsum(is_first, axis=1, dtype=np.float64)
    second = np.arange(1, is_first.shape[1] + 1) - first
    gap: Floats = np.abs(first / first[:, -1:] - second / second[:, -1:])[:, :-1]
    return gap @ steps
