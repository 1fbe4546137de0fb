"""Student-t intervals over seeds, paired differences between norms, Holm's correction, and intervals of medians.

With 3 to 10 seeds a percentile bootstrap covers far less than it says; Student's t interval covers about its level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, stdtr, stdtrit

from clnorm.errors import UserError

LEVEL = 0.95
FEWEST = 3
"""Seeds below which nothing is tested: with two, t has one degree of freedom, and two like differences pass."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """`mean` ± `half_width` over `n` values."""

    mean: float
    half_width: float
    n: int


@dataclass(frozen=True)
class PairedDifference:
    """`mean` ± `half_width` of the differences of `n` pairs, and the two-sided p-value of no difference."""

    mean: float
    half_width: float
    p: float
    n: int


def t_interval(values: Sequence[float] | Floats, *, level: float = LEVEL) -> Interval:
    """Student's t interval of a mean: mean ± t_{(1+level)/2, n-1} s / sqrt(n).

    Args:
        values: one value for each seed, shape (n,).
        level: the coverage, between 0 and 1.

    Returns:
        The mean and half width; the half width is NaN for one value, exactly 0 for equal ones, and both are NaN for
        none or where one is NaN.

    Raises:
        UserError: the level is not between 0 and 1.

    Source: Student 1908, The Probable Error of a Mean.
    """
    if not 0 < level < 1:
        raise UserError(f"level is {level}", where="t_interval", legal="a number between 0 and 1")
    array = np.asarray(values, dtype=np.float64)
    n = len(array)
    if n == 0 or np.isnan(array).any():
        return Interval(float("nan"), float("nan"), n)
    if n == 1:
        return Interval(float(array[0]), float("nan"), n)
    if not _varies(array, of=array):
        return Interval(float(array.mean()), 0.0, n)
    half_width = find_quantile(n, level=level) * array.std(ddof=1) / np.sqrt(n)
    return Interval(float(array.mean()), float(half_width), n)


def find_quantile(n: int, *, level: float = LEVEL) -> float:
    """t_{(1+level)/2, n-1}, by which the standard error of `n` values, two or more, makes the half width."""
    return float(stdtrit(n - 1, (1 + level) / 2))


@dataclass(frozen=True)
class MedianInterval:
    """The median of `n` values, and the interval from `low` to `high` that holds that of what they are drawn from."""

    median: float
    low: float
    high: float
    n: int


def median_interval(values: Sequence[float] | Floats, *, level: float = LEVEL) -> MedianInterval:
    """The median with the interval between two order statistics, which assumes nothing of the distribution.

    From the k-th smallest to the k-th largest value, with the largest k for which fewer than k of n fair coins show
    heads with probability (1 - level) / 2 at most; it covers `level` or more.

    Args:
        values: shape (n,).
        level: the coverage, between 0 and 1.

    Returns:
        The interval; its ends are NaN for fewer values than such a k has (six at 95 %), all is NaN for none.

    Raises:
        UserError: the level is not between 0 and 1.

    Source: Thompson 1936, On Confidence Ranges for the Median and Other Expectation Distributions.
    """
    if not 0 < level < 1:
        raise UserError(f"level is {level}", where="median_interval", legal="a number between 0 and 1")
    array = np.sort(np.asarray(values, dtype=np.float64))
    n, nan = len(array), float("nan")
    if not n:
        return MedianInterval(nan, nan, nan, 0)
    k = sum(bool(bdtr(heads, n, 0.5) <= (1 - level) / 2) for heads in range(n // 2))
    low, high = (float(array[k - 1]), float(array[n - k])) if k else (nan, nan)
    return MedianInterval(float(np.median(array)), low, high, n)


def _varies(values: Floats, *, of: Floats) -> bool:
    """Whether values differ by more than the rounding of the numbers that they come `of`."""
    return bool(np.ptp(values) > 1e-12 * np.abs(of).max())


def paired_difference(a: Mapping[int, float], b: Mapping[int, float], *, level: float = LEVEL) -> PairedDifference:
    """The mean of a - b over pairs that share a seed, with its t interval and the paired t-test's p-value.

    Args:
        a: value by seed.
        b: value by seed, over the same seeds.
        level: the coverage of the interval.

    Returns:
        As `t_interval` of the differences, with a half width of exactly 0 where they vary by rounding alone. p is NaN
        for fewer than two pairs, where a value is NaN, and where the differences do not vary, for then t is undefined.

    Raises:
        UserError: a seed has no partner, or the level is not between 0 and 1.
    """
    if unpaired := sorted(a.keys() ^ b.keys()):
        raise UserError(
            f"seeds {', '.join(map(str, unpaired))} have no partner",
            where="paired difference",
            hint="run both sides with the same seeds",
        )
    seeds = sorted(a)
    pairs = np.array([[a[seed], b[seed]] for seed in seeds], dtype=np.float64).reshape(-1, 2)
    difference = pairs[:, 0] - pairs[:, 1]
    interval = t_interval(difference, level=level)
    half_width, p = interval.half_width, float("nan")
    if interval.n > 1 and not np.isnan(difference).any():
        if _varies(difference, of=pairs):
            t = interval.mean / (difference.std(ddof=1) / np.sqrt(interval.n))
            p = float(2 * stdtr(interval.n - 1, -abs(t)))
        else:
            half_width = 0.0
    return PairedDifference(interval.mean, half_width, p, interval.n)


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """p-values adjusted for testing them all: the k-th smallest of m times (m - k + 1), never falling, at most 1.

    Args:
        p_values: shape (tests,); a NaN stands for a test that could not be done: it stays NaN, and is counted in m, so
            that the others are corrected for all that was asked.

    Returns:
        The adjusted values in the order given, shape (tests,).

    Raises:
        UserError: a value is outside [0, 1].

    Source: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if ((p < 0) | (p > 1)).any():
        raise UserError("a p-value is outside [0, 1]", where="holm")
    adjusted = np.full(len(p), np.nan)
    order = [index for index in np.argsort(p) if not np.isnan(p[index])]
    largest = 0.0
    for position, index in enumerate(order):
        largest = max(largest, min(1.0, float(p[index]) * (len(p) - position)))
        adjusted[index] = largest
    return adjusted
