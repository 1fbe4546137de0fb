"""Whether training and test clips look alike, and how the classes and experiences differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clnorm.audit.charts import draw_heat, draw_histograms
from clnorm.audit.dataset import Subject
from clnorm.audit.distances import Floats, SourceShuffle, class_share, scaled_distance
from clnorm.audit.measures import APPEARANCE, MOTION, Statistic
from clnorm.audit.verdicts import Figure, Grid, Mark, Section, Verdict
from clnorm.evaluation.stats import holm
from clnorm.seeding import numpy_generator

DRAWS = 999
LEVEL = 0.01
NOTE_DISTANCE, WARNING_DISTANCE = 0.2, 0.5

_RULE = (
    f"warning from {WARNING_DISTANCE} pooled standard deviations between training and test, note from "
    f"{NOTE_DISTANCE}, each only where p <= {LEVEL}; p as if splits were drawn by source among those of the same "
    "classes, Holm-corrected over the section's statistics"
)
_METHOD = (
    "Distance: 1-Wasserstein distance over the pooled standard deviation. p: share of the divisions of whole sources, "
    "since clips of a source are not independent, whose Wasserstein distance is at least the true one. A source moves "
    "with all of its classes, and of the sources with the same set of classes as many are in the test set as in truth. "
    f"All divisions where there are at most {1 + DRAWS:,} (exact); else {DRAWS} random ones (Phipson and Smyth 2010). "
    "Told by the class: eta^2, the share of variance between classes, of training clips."
)


@dataclass(frozen=True)
class Shift:
    """One statistic between training and test: the scaled distance, its Holm-corrected p-value, and how many divisions
    of the sources p is made of, the true one included."""

    statistic: Statistic
    distance: float
    p: float
    divisions: int


def examine_appearance(subject: Subject) -> Section:
    """The section on brightness, contrast, sharpness and colour."""
    return _examine(subject, APPEARANCE, name="appearance", title="Brightness, contrast, blur and colour")


def examine_motion(subject: Subject) -> Section:
    """The section on motion."""
    return _examine(subject, (MOTION,), name="motion", title="Motion")


def measure_shifts(subject: Subject, statistics: Sequence[Statistic]) -> list[Shift]:
    """Training against test in each statistic."""
    distances, raised, divisions = [], [], []
    for statistic in statistics:
        values = subject.measures.of(statistic.name)
        both = np.concatenate([subject.train, subject.test])
        both = both[np.isfinite(values[both])]
        is_test = subject.splits[both] == "test"
        shuffle = SourceShuffle(subject.table.labels[both], subject.sources[both], is_test)
        distances.append(scaled_distance(values[subject.train], values[subject.test]))
        divisions.append(min(shuffle.divisions, 1 + DRAWS))
        if math.isnan(distances[-1]):
            raised.append(math.nan)
            continue
        generator = numpy_generator(subject.seed, f"audit {statistic.name}")
        raised.append(shuffle.p_value(values[both], draws=DRAWS, generator=generator))
    corrected = holm(raised).tolist()
    return [Shift(*row) for row in zip(statistics, distances, corrected, divisions, strict=True)]


def _examine(subject: Subject, statistics: Sequence[Statistic], *, name: str, title: str) -> Section:
    shifts = measure_shifts(subject, statistics) if len(subject.train) and len(subject.test) else []
    values = {statistic.name: subject.measures.of(statistic.name) for statistic in statistics}
    grids = [_splits(subject, statistics, shifts)]
    if len(subject.experiences) > 1:
        grids += _experiences(subject, statistics)
    method = " ".join([*(f"{s.title[0].upper()}{s.title[1:]}: {s.definition}." for s in statistics), _METHOD])
    return Section(
        name,
        title,
        _judge(subject, shifts),
        method,
        values={
            "train_test": {
                s.statistic.name: {"distance": _finite(s.distance), "p": _finite(s.p), "divisions": s.divisions}
                for s in shifts
            },
            "told_by_class": {
                key: _finite(class_share(own[subject.train], subject.table.labels[subject.train]))
                for key, own in values.items()
            },
        },
        grids=tuple(grids),
        figures=tuple(_figures(subject, statistics)),
    )


def _judge(subject: Subject, shifts: list[Shift]) -> Verdict:
    if not shifts:
        what = f"{len(subject.train)} training and {len(subject.test)} test clips leave nothing to compare"
        return Verdict(Mark.UNKNOWN, what, _RULE)
    known = [shift for shift in shifts if not math.isnan(shift.distance)]
    if not known:
        return Verdict(Mark.UNKNOWN, "too few clips with a value in each split to compare", _RULE)
    worst = max(known, key=lambda shift: shift.distance)
    text = f"training against test: farthest apart in {worst.statistic.title}, {worst.distance:.2f} standard deviations"
    text += f" (p = {worst.p:.3f})"
    most = max(shift.divisions for shift in known)
    if (least := min(1.0, len(shifts) / most)) > LEVEL:
        ways = "1 way" if most == 1 else f"{most} ways"
        text += f"; too few sources to tell whether by chance: they can be divided in {ways}, so that p is at least "
        text += f"{least:.3f}"
        return Verdict(Mark.UNKNOWN if worst.distance >= NOTE_DISTANCE else Mark.OK, text, _RULE)
    real = [shift for shift in known if shift.p <= LEVEL and shift.distance >= NOTE_DISTANCE]
    if len(known) > 1:
        text += f"; {len(real)} of {len(known)} statistics differ by more than chance"
    if others := [f"{s.statistic.title} {s.distance:.2f} (p = {s.p:.3f})" for s in real if s is not worst]:
        text += f", with {', '.join(others)}"
    if any(shift.distance >= WARNING_DISTANCE for shift in real):
        return Verdict(Mark.WARNING, text, _RULE)
    return Verdict(Mark.NOTE if real else Mark.OK, text, _RULE)


def _splits(subject: Subject, statistics: Sequence[Statistic], shifts: list[Shift]) -> Grid:
    """A row a statistic: both splits, the distance with its p-value, and what the class tells of it."""
    found = {shift.statistic.name: shift for shift in shifts}
    labels = subject.table.labels[subject.train]
    rows = []
    for statistic in statistics:
        own = subject.measures.of(statistic.name)
        shift = found.get(statistic.name, Shift(statistic, math.nan, math.nan, 0))
        told = 100 * class_share(own[subject.train], labels)
        cells = (_spread(own[subject.train]), _spread(own[subject.test]), shift.distance, shift.p, told)
        rows.append((statistic.title, *cells))
    columns = ("statistic", "train, mean ± std", "test, mean ± std", "distance", "p (Holm)", "told by the class, %")
    return Grid("Training against test", columns, tuple(rows))


def _experiences(subject: Subject, statistics: Sequence[Statistic]) -> list[Grid]:
    """A row an experience: its training clips, and how far they are from those of all others together."""
    means, distances = [], []
    for index, classes in enumerate(subject.experiences):
        own = subject.train_of(classes)
        rest = np.setdiff1d(subject.train, own)
        columns = [subject.measures.of(statistic.name) for statistic in statistics]
        means.append((index + 1, len(own), *(_spread(values[own]) for values in columns)))
        distances.append((index + 1, *(scaled_distance(values[own], values[rest]) for values in columns)))
    titles = [statistic.title for statistic in statistics]
    return [
        Grid("Each experience, mean ± std of its training clips", ("experience", "clips", *titles), tuple(means)),
        Grid("Distance of each experience from all others together", ("experience", *titles), tuple(distances)),
    ]


def _figures(subject: Subject, statistics: Sequence[Statistic]) -> list[Figure]:
    figures = []
    panels = {
        s.title: {split: _known(subject.measures.of(s.name)[ids]) for split, ids in _sides(subject).items()}
        for s in statistics
    }
    if _sides(subject) and all(len(values) for sides in panels.values() for values in sides.values()):
        caption = "Share of clips by value: training filled, test as a line"
        figures.append(Figure(caption, draw_histograms(panels)))
    if len(subject.table.classes) > 1 and len(subject.train) > 1:
        caption = "Mean of each class's training clips, in standard deviations from the mean of all training clips"
        figures.append(Figure(caption, draw_heat(subject.table.classes, *_deviations(subject, statistics))))
    return figures


def _sides(subject: Subject) -> dict[str, np.ndarray]:
    return {split: ids for split, ids in (("train", subject.train), ("test", subject.test)) if len(ids)}


def _deviations(subject: Subject, statistics: Sequence[Statistic]) -> tuple[list[str], Floats]:
    """The titles, and (classes, statistics) the standardized class means, NaN for a class without clips."""
    labels = subject.table.labels[subject.train]
    table = np.full((len(subject.table.classes), len(statistics)), np.nan)
    for column, statistic in enumerate(statistics):
        values = subject.measures.of(statistic.name)[subject.train]
        known = np.isfinite(values)
        spread = values[known].std() if known.any() else 0.0
        for label in range(len(table)):
            own = values[known & (labels == label)]
            if len(own):
                table[label, column] = (own.mean() - values[known].mean()) / spread if spread > 0 else 0.0
    return [statistic.title for statistic in statistics], table


def _known(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _spread(values: Floats) -> str:
    known = _known(values)
    if not len(known):
        return "--"
    return f"{known.mean():.2f} ± {known.std(ddof=1):.2f}" if len(known) > 1 else f"{known[0]:.2f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
