"""How far apart the experiences of a stream are, against streams with the classes in another order."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clnorm.audit.charts import draw_heat
from clnorm.audit.dataset import Subject
from clnorm.audit.distances import Floats
from clnorm.audit.measures import STATISTICS
from clnorm.audit.verdicts import Figure, Grid, Mark, Section, Verdict
from clnorm.data.table import Ids
from clnorm.seeding import numpy_generator

DRAWS = 999
LEVEL = 0.05
WARNING_DRIFT = 1.0
_RULE = (
    f"warning from {WARNING_DRIFT:g} standard deviation where p <= {LEVEL}, that is where few random orders drift as "
    "much; note where only the latter holds; else ok"
)
_METHOD = (
    "Training clips only. Each statistic of appearance and motion in standard deviations of all training clips; an "
    "experience is the mean of its clips. Drift: root mean square over the statistics of the difference between two "
    "experiences that follow each other, averaged over the stream. Other orders: the classes permuted, the sizes of "
    f"the experiences in classes kept. p: the share of all orders that drift at least as much, where at most "
    f"{1 + DRAWS:,} differ (exact); else (1 + such orders) / (1 + draws) of {DRAWS} random ones (Phipson and Smyth "
    "2010)."
)


@dataclass(frozen=True)
class Drift:
    """The drift of a stream, that of other orders (draws,) or of all, and the p-value of the stream's among them."""

    value: float
    random: Floats
    p: float


def standardize(statistics: Floats) -> Floats:
    """(n, K) -> each column less its mean and over its standard deviation; 0 where it does not vary; NaNs stay."""
    with np.errstate(invalid="ignore"):
        spread = np.nanstd(statistics, axis=0)
        scaled: Floats = (statistics - np.nanmean(statistics, axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def class_sums(values: Floats, labels: Ids, *, classes: int) -> tuple[Floats, Floats]:
    """(classes, K) the sums of each class's known values, and how many there are."""
    known = np.isfinite(values)
    sums, counts = np.zeros((classes, values.shape[1])), np.zeros((classes, values.shape[1]))
    np.add.at(sums, labels, np.where(known, values, 0.0))
    np.add.at(counts, labels, known)
    return sums, counts


def experience_means(sums: Floats, counts: Floats, *, orders: Ids, sizes: list[int]) -> Floats:
    """The mean of each experience under each order of the classes.

    Args:
        sums: (classes, K).
        counts: (classes, K).
        orders: (draws, classes) permutations of the classes.
        sizes: classes of each experience.

    Returns:
        (draws, experiences, K); NaN where an experience has no value.
    """
    starts = np.cumsum([0, *sizes[:-1]])
    totals = np.add.reduceat(sums[orders], starts, axis=1)
    numbers = np.add.reduceat(counts[orders], starts, axis=1)
    return np.where(numbers > 0, totals / np.maximum(numbers, 1), np.nan)


def drift_of(means: Floats) -> Floats:
    """(..., experiences, K) -> (...): the root mean square difference of successive experiences, averaged."""
    steps = np.diff(means, axis=-2)
    drift: Floats = _lengths(steps).mean(axis=-1)
    return drift


def measure_drift(
    values: Floats, labels: Ids, experiences: tuple[tuple[int, ...], ...], *, generator: np.random.Generator
) -> Drift:
    """The drift of a stream and of other orders of its classes: all where they are few, else random ones.

    Args:
        values: (n, K) standardized.
        labels: (n,) the class of each row.
        experiences: the classes of each experience.
        generator: draws the orders.
    """
    order = np.array([label for classes in experiences for label in classes])
    sums, counts = class_sums(values, labels, classes=len(order))
    sizes = [len(classes) for classes in experiences]
    exact = count_orders(sizes) <= 1 + DRAWS
    others = list_orders(order.tolist(), sizes) if exact else (generator.permutation(len(order)) for _ in range(DRAWS))
    orders = np.stack([order, *map(np.array, others)])
    drifts = drift_of(experience_means(sums, counts, orders=orders, sizes=sizes))
    hits = int((drifts[1:] >= drifts[0] * (1 - 1e-9)).sum())
    return Drift(float(drifts[0]), drifts[1:], hits / (len(drifts) - 1) if exact else (1 + hits) / (1 + DRAWS))


def count_orders(sizes: Sequence[int]) -> int:
    """The number of different streams with experiences of these sizes in classes: n! over the product of sizes!."""
    return math.factorial(sum(sizes)) // math.prod(map(math.factorial, sizes))


def list_orders(classes: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """One order of the classes for each of the different streams with experiences of these sizes."""
    if not sizes:
        yield ()
        return
    for first in itertools.combinations(classes, sizes[0]):
        left = [label for label in classes if label not in first]
        yield from ((*first, *rest) for rest in list_orders(left, sizes[1:]))


def examine(subject: Subject) -> Section:
    """The section on class-order drift."""
    title = "Drift along the stream"
    if reason := _refuse(subject):
        return Section("drift", title, Verdict(Mark.UNKNOWN, reason, _RULE), _METHOD)
    values = standardize(subject.measures.statistics[subject.train])
    labels = subject.table.labels[subject.train]
    drift = measure_drift(values, labels, subject.experiences, generator=numpy_generator(subject.seed, "audit drift"))
    sums, counts = class_sums(values, labels, classes=len(subject.table.classes))
    order = np.array([label for classes in subject.experiences for label in classes])
    sizes = [len(classes) for classes in subject.experiences]
    means = experience_means(sums, counts, orders=order[None], sizes=sizes)[0]  # (experiences, K)
    titles = [statistic.title for statistic in STATISTICS]
    names = [f"experience {index + 1}" for index in range(len(means))]
    caption = "Mean of each experience's training clips, in standard deviations from the mean of all training clips"
    return Section(
        "drift",
        title,
        judge(drift),
        _METHOD,
        values={
            "drift": drift.value,
            "p": drift.p,
            "random_orders": {f"{q} %": float(np.percentile(drift.random, q)) for q in (5, 50, 95)},
            "from_the_mean": _lengths(means).tolist(),
            "steps": _lengths(np.diff(means, axis=0)).tolist(),
        },
        grids=(_grid(subject, means),),
        figures=(Figure(caption, draw_heat(names, titles, means)),),
    )


def _refuse(subject: Subject) -> str:
    """Why nothing can be said, or nothing."""
    if subject.no_stream:
        return f"there is no stream: {subject.no_stream}"
    if len(subject.experiences) < 2:
        return "one experience has nothing to drift to"
    empty = [index + 1 for index, own in enumerate(subject.experiences) if not len(subject.train_of(own))]
    if empty:
        return f"no training clips in experience {', '.join(map(str, empty))}"
    largest = count_orders([len(classes) for classes in subject.experiences])
    if largest < 1 / LEVEL:
        return f"{len(subject.table.classes)} classes have only {largest} orders in such experiences to compare with"
    if not np.isfinite(subject.measures.statistics[subject.train]).any(axis=0).all():
        return "the clips are too short for motion"
    return ""


def judge(drift: Drift) -> Verdict:
    """The verdict: rare among orders, and how far."""
    low, middle, high = (float(np.percentile(drift.random, q)) for q in (5, 50, 95))
    text = (
        f"successive experiences are {drift.value:.2f} standard deviations apart; other orders of the classes: "
        f"{middle:.2f} in the middle, {low:.2f} to {high:.2f} in 90 of 100 (p = {drift.p:.3f})"
    )
    if drift.p > LEVEL:
        return Verdict(Mark.OK, f"{text}: no more than other orders", _RULE)
    mark = Mark.WARNING if drift.value >= WARNING_DRIFT else Mark.NOTE
    return Verdict(mark, f"{text}: this order drifts more than most", _RULE)


def _lengths(differences: Floats) -> Floats:
    """(..., K) -> (...): root mean squares."""
    lengths: Floats = np.sqrt(np.nanmean(differences**2, axis=-1))
    return lengths


def _grid(subject: Subject, means: Floats) -> Grid:
    steps = [math.nan, *_lengths(np.diff(means, axis=0))]
    rows = []
    for index, (classes, mean, step) in enumerate(zip(subject.experiences, means, steps, strict=True)):
        far = int(np.nanargmax(np.abs(mean)))
        names = ", ".join(subject.table.classes[label] for label in classes)
        cells = (float(_lengths(mean[None])[0]), float(step), f"{STATISTICS[far].title} {mean[far]:+.2f}", names)
        rows.append((index + 1, *cells))
    columns = ("experience", "from the mean", "from the one before", "farthest in", "classes")
    return Grid("Distances in standard deviations, root mean square over the statistics", columns, tuple(rows))
