"""Class counts and how unequal they are."""

import math

import numpy as np
import numpy.typing as npt

from clnorm.audit.charts import draw_bars
from clnorm.audit.dataset import Subject
from clnorm.audit.verdicts import Figure, Grid, Mark, Section, Verdict
from clnorm.data.table import SPLITS, Ids

NOTE_RATIO, WARNING_RATIO = 1.5, 3.0

_RULE = (
    f"warning where a class has no training or no test clip, or the largest class has {WARNING_RATIO:g} times the "
    f"training clips of the smallest; note from {NOTE_RATIO:g} times"
)
_METHOD = (
    "Clips of each class that can be decoded. Ratio: largest over smallest class. Gini coefficient: "
    "sum_ij |n_i - n_j| / (2 C sum_i n_i), 0 where all are equal (Gini 1912). Evenness: Shannon's entropy of the class "
    "shares over log C, 1 where all are equal (Pielou 1966)."
)


def ratio(counts: Ids) -> float:
    """Largest over smallest count; infinite where the smallest is 0 and the largest is not, NaN where all are 0."""
    if counts.max() == 0:
        return math.nan
    return float(counts.max() / counts.min()) if counts.min() else math.inf


def gini(counts: Ids) -> float:
    """sum_ij |n_i - n_j| / (2 C sum_i n_i): 0 where all are equal, towards 1 where one class has all (Gini 1912)."""
    if counts.sum() == 0:
        return math.nan
    ranks = 2 * np.arange(1, len(counts) + 1) - len(counts) - 1
    return float((ranks * np.sort(counts)).sum() / (len(counts) * counts.sum()))


def evenness(counts: Ids) -> float:
    """Shannon's entropy of the shares over log C: 1 where all are equal; NaN for one class or no clip (Pielou 1966)."""
    if len(counts) < 2 or counts.sum() == 0:
        return math.nan
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() / math.log(len(counts))) + 0.0


def count_clips(labels: Ids, splits: npt.NDArray[np.str_], *, classes: int) -> dict[str, Ids]:
    """Split -> (classes,) clips of each class."""
    return {split: np.bincount(labels[splits == split], minlength=classes).astype(np.int64) for split in SPLITS}


def examine(subject: Subject) -> Section:
    """The section on class counts."""
    table = subject.table
    good = subject.good
    counts = count_clips(table.labels[good], subject.splits[good], classes=len(table.classes))
    figures = {
        split: {"ratio": ratio(own), "gini": gini(own), "evenness": evenness(own)}
        for split, own in counts.items()
        if own.any()
    }
    clips = tuple((name, *(int(counts[split][label]) for split in SPLITS)) for label, name in enumerate(table.classes))
    figure_rows = tuple((split, *own.values()) for split, own in figures.items())
    grids = [
        Grid("Imbalance", ("split", "largest / smallest", "Gini", "evenness"), figure_rows),
        Grid("Clips of each class", ("class", *SPLITS), clips),
    ]
    if subject.experiences:
        grids.insert(1, _experiences(subject, counts))
    drawing = draw_bars(table.classes, {split: own for split, own in counts.items() if own.any()})
    return Section(
        "counts",
        "Class counts",
        _judge(table.classes, counts),
        _METHOD,
        values={"classes": dict(zip(table.classes, _plain(counts), strict=True)), "imbalance": _finite(figures)},
        grids=tuple(grids),
        figures=(Figure("Clips of each class, by split", drawing),),
    )


def _judge(classes: tuple[str, ...], counts: dict[str, Ids]) -> Verdict:
    missing = []
    for split in ("train", "test"):
        if not counts[split].any():
            missing.append(f"there is no {split} clip")
        elif (empty := np.flatnonzero(counts[split] == 0)).size:
            names = ", ".join(classes[label] for label in empty[:5]) + (", ..." if empty.size > 5 else "")
            missing.append(f"{empty.size} of {len(classes)} classes have no {split} clip: {names}")
    if missing:
        return Verdict(Mark.WARNING, "; ".join(missing), _RULE)
    train = counts["train"]
    if len(classes) == 1:
        return Verdict(Mark.UNKNOWN, "one class alone cannot be unbalanced", _RULE)
    largest, smallest = (classes[index] for index in (train.argmax(), train.argmin()))
    text = (
        f"training clips of a class: {train.min()} ({smallest}) to {train.max()} ({largest}), "
        f"ratio {ratio(train):.2f}, Gini {gini(train):.3f}, evenness {evenness(train):.3f}; "
        f"test clips: {counts['test'].min()} to {counts['test'].max()}"
    )
    if ratio(train) >= WARNING_RATIO:
        return Verdict(Mark.WARNING, text, _RULE)
    return Verdict(Mark.NOTE if ratio(train) >= NOTE_RATIO else Mark.OK, text, _RULE)


def _experiences(subject: Subject, counts: dict[str, Ids]) -> Grid:
    rows = []
    for index, own in enumerate(subject.experiences):
        train, test = (counts[split][list(own)] for split in ("train", "test"))
        names = ", ".join(subject.table.classes[label] for label in own)
        rows.append((index + 1, len(own), int(train.sum()), int(test.sum()), ratio(train), gini(train), names))
    columns = ("experience", "classes", "train", "test", "largest / smallest", "Gini", "names")
    return Grid("Experiences of the stream; ratio and Gini of their training clips", columns, tuple(rows))


def _plain(counts: dict[str, Ids]) -> list[dict[str, int]]:
    return [dict(zip(SPLITS, map(int, row), strict=True)) for row in zip(*counts.values(), strict=True)]


def _finite(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    return {
        split: {name: value if math.isfinite(value) else None for name, value in own.items()}
        for split, own in figures.items()
    }
