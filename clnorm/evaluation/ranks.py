"""Ranks and how sure they are: their intervals over seeds, groups that cannot be told apart, critical differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from clnorm.errors import UserError
from clnorm.evaluation.stats import FEWEST, LEVEL, holm, paired_difference

FEWEST_BLOCKS = 6
"""Blocks below which no critical difference is computed: the statistic is far from its distribution."""


@dataclass(frozen=True)
class Rank:
    """A rank by the mean, 1 the best, and the ranks that it may truly have, from `best` to `worst`."""

    place: int
    best: int
    worst: int


@dataclass(frozen=True)
class Ranking:
    """What is known of an order.

    Args:
        ranks: of each name, the best first; equal means share the better rank.
        groups: the largest sets of names of which no two can be told apart, each from the best to the worst.
        seeds: how many pairs each difference has.
    """

    ranks: dict[str, Rank]
    groups: list[tuple[str, ...]]
    seeds: int


@dataclass(frozen=True)
class CriticalDifference:
    """Mean ranks over blocks, and by how much they must differ.

    Args:
        ranks: the mean rank of each name, the best first; equal values share the mean of their ranks.
        difference: that two mean ranks must exceed to be told apart.
        p: that all are alike, by the Friedman test in the form of Iman and Davenport.
        groups: as of a `Ranking`.
        blocks: how many.
    """

    ranks: dict[str, float]
    difference: float
    p: float
    groups: list[tuple[str, ...]]
    blocks: int


def rank_with_intervals(
    values: Mapping[str, Mapping[int, float]], *, higher_is_better: bool = True, level: float = LEVEL
) -> Ranking:
    """Ranks by the mean over seeds with simultaneous intervals, which all hold together with probability `level`.

    For each ordered pair a one-sided paired t-test asks whether the one is better than the other, corrected by Holm
    over all of them. A rank is at least one more than there are names that are surely better, and at most the number of
    names less those that are surely worse.

    Args:
        values: of each name its value by seed, over the same seeds.
        higher_is_better: how they are ordered.
        level: the coverage.

    Raises:
        UserError: fewer than two names, fewer seeds than a test is made of, a seed without a partner, a value that is
            NaN, or a level that is not between 0 and 1.

    Source: Mogstad, Romano, Shaikh and Wilhelm, "Inference for Ranks with Applications to Mobility across
    Neighbourhoods and Academic Achievement across Countries", Review of Economic Studies 2024, with Holm 1979 in place
    of its bootstrap, which has too little to draw from with a handful of seeds.
    """
    if len(values) < 2:
        raise UserError(f"there are {len(values)}", where="ranks", legal="two or more to be ranked")
    sign = 1 if higher_is_better else -1
    signed = {name: {seed: sign * value for seed, value in own.items()} for name, own in values.items()}
    _check_seeds(signed)
    means = {name: round(float(np.mean(list(own.values()))), 12) for name, own in signed.items()}
    order = sorted(means, key=lambda name: -means[name])
    surely = _surely_better([signed[name] for name in order], level=level)
    count = len(order)
    ranks = {
        name: Rank(
            place=1 + sum(means[other] > means[name] for other in order),
            best=1 + int(surely[:, index].sum()),
            worst=count - int(surely[index].sum()),
        )
        for index, name in enumerate(order)
    }
    return Ranking(ranks, _find_groups(order, surely | surely.T), len(signed[order[0]]))


def _check_seeds(values: Mapping[str, Mapping[int, float]]) -> None:
    for name, own in values.items():
        if len(own) < FEWEST:
            hint = "run more seeds"
            raise UserError(f"{name} has {len(own)}", where="seeds", legal=f"{FEWEST} or more to compare", hint=hint)
        if np.isnan(list(own.values())).any():
            raise UserError(f"{name} has a value that is undefined", where="ranks", hint="leave it out")


def _surely_better(values: Sequence[Mapping[int, float]], *, level: float) -> npt.NDArray[np.bool_]:
    """(n, n) bool: whether the one of a row is better than that of a column, all of it with probability `level`."""
    pairs, p = list(permutations(range(len(values)), 2)), []
    for a, b in pairs:
        found = paired_difference(values[a], values[b], level=level)
        p.append(found.p / 2 if found.mean > 0 else 1 - found.p / 2)
    better = np.zeros((len(values), len(values)), dtype=bool)
    for (a, b), adjusted in zip(pairs, holm(p), strict=True):
        better[a, b] = adjusted < 1 - level
    return better


def _find_groups(order: Sequence[str], apart: npt.NDArray[np.bool_]) -> list[tuple[str, ...]]:
    """The largest sets of which no two are `apart`, those with the best names first.

    Each pair that is apart splits every set that holds both; a set within another one is dropped (insert and absorb).

    Source: Piepho, "An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons", JCGS 2004.
    """
    groups = [frozenset(range(len(order)))]
    for a, b in zip(*np.nonzero(np.triu(apart)), strict=True):
        split = [
            part for group in groups for part in (({*group} - {a}, {*group} - {b}) if {a, b} <= group else (group,))
        ]
        distinct = {frozenset(part) for part in split}
        groups = [part for part in distinct if not any(part < other for other in distinct)]
    return [tuple(order[index] for index in group) for group in sorted(sorted(group) for group in groups)]


def critical_difference(
    blocks: Sequence[Mapping[str, float]], *, higher_is_better: bool = True, level: float = LEVEL
) -> CriticalDifference:
    """Mean ranks over blocks and Nemenyi's critical difference, q sqrt(k (k + 1) / (6 N)) with k names and N blocks.

    Args:
        blocks: of each, such as a strategy and a class order, the value of each name, averaged over seeds first.
        higher_is_better: how they are ordered.
        level: one less the error of all comparisons together.

    Raises:
        UserError: too few blocks or names, other names in one of them, or a value that is NaN.

    Source: Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006; Iman and Davenport
    1980, of a chi-squared that is corrected for ties.
    """
    names = list(blocks[0]) if blocks else []
    if len(blocks) < FEWEST_BLOCKS:
        hint = "a block is a strategy, an order or a backbone; over seeds alone, see the intervals of ranks"
        raise UserError(f"there are {len(blocks)}", where="blocks", legal=f"{FEWEST_BLOCKS} or more", hint=hint)
    if len(names) < 3:  # with two there is nothing to correct for
        raise UserError(f"there are {len(names)}", where="names", legal="three or more; compare two by their pairs")
    if any(block.keys() != blocks[0].keys() for block in blocks):
        raise UserError("they do not hold the same names", where="blocks", hint="leave out what is not complete")
    from scipy.stats import f, friedmanchisquare, rankdata, studentized_range

    values = np.array([[block[name] for name in names] for block in blocks], dtype=np.float64)
    if np.isnan(values).any():
        raise UserError("a value is undefined", where="blocks", hint="leave out what is not complete")
    n, k = values.shape
    places = rankdata(-values if higher_is_better else values, axis=1).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        chi = friedmanchisquare(*values.T).statistic
        p = f.sf((n - 1) * chi / (n * (k - 1) - chi), k - 1, (k - 1) * (n - 1))
    difference = float(studentized_range.ppf(level, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n)))
    best = np.argsort(places, kind="stable")
    order, sorted_places = [names[index] for index in best], places[best]
    apart = np.abs(sorted_places[:, None] - sorted_places[None]) > difference
    ranks = {name: float(place) for name, place in zip(order, sorted_places, strict=True)}
    return CriticalDifference(ranks, difference, float(p), _find_groups(order, apart), n)


def effect_size(a: Mapping[int, float], b: Mapping[int, float]) -> float:
    """Hedges' g of paired values: the mean difference over its standard deviation, corrected for few pairs.

    g = J(n - 1) mean(a - b) / s(a - b) with J(m) = 1 - 3 / (4 m - 1); NaN where the differences do not vary.

    Args:
        a: value by seed.
        b: value by seed, over the same seeds.

    Raises:
        UserError: fewer pairs than a test is made of, or a seed without a partner.

    Source: Hedges 1981; Lakens, "Calculating and Reporting Effect Sizes", Frontiers in Psychology 2013 (d_z).
    """
    found = paired_difference(a, b)
    if found.n < FEWEST:
        raise UserError(f"there are {found.n}", where="pairs", legal=f"{FEWEST} or more for an effect size")
    spread = float(np.std([a[seed] - b[seed] for seed in a], ddof=1))
    if found.half_width == 0 or not spread:
        return float("nan")
    return (1 - 3 / (4 * (found.n - 1) - 1)) * found.mean / spread
