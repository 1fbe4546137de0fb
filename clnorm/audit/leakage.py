"""Sources whose clips stand in both training and test."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clnorm.audit.dataset import Subject
from clnorm.audit.verdicts import Grid, Mark, Section, Verdict
from clnorm.data.table import Ids

SHOWN = 20
_RULE = "warning where a source is in training and test within a class; note where it is across classes only"
_METHOD = (
    "A source (the reader's group) leaks within a class where that class has clips of it in both training and test, "
    "and across classes where its training clips and its test clips are of different classes. Clips that cannot be "
    "decoded do not count."
)


@dataclass(frozen=True)
class Leak:
    """A source in both splits: the numbers of its training clips and of its test clips that they may give away."""

    source: int
    train: int
    test: int


def leaks_within(labels: Ids, sources: Ids, splits: npt.NDArray[np.str_]) -> list[tuple[int, Leak]]:
    """(class, leak) for each source in training and test of one class; most test clips first."""
    keys = np.stack([labels, sources], axis=1)
    pairs, own = np.unique(keys, axis=0, return_inverse=True)
    train, test = (np.bincount(own.reshape(-1)[splits == s], minlength=len(pairs)) for s in ("train", "test"))
    found = [
        (int(pairs[i, 0]), Leak(int(pairs[i, 1]), int(train[i]), int(test[i])))
        for i in np.flatnonzero((train > 0) & (test > 0))
    ]
    return sorted(found, key=lambda item: (-item[1].test, -item[1].train, item[0], item[1].source))


def leaks_across(labels: Ids, sources: Ids, splits: npt.NDArray[np.str_]) -> list[Leak]:
    """A leak for each source with a training clip of one class and a test clip of another; most test clips first.

    Counted are the test clips with a training clip of the source in another class, and all of its training clips.
    """
    found = []
    both = np.intersect1d(sources[splits == "train"], sources[splits == "test"])
    order = np.argsort(sources, kind="stable")
    starts = np.searchsorted(sources[order], both)
    ends = np.searchsorted(sources[order], both, side="right")
    for source, start, end in zip(both, starts, ends, strict=True):
        own = order[start:end]
        train, test = (labels[own[splits[own] == split]] for split in ("train", "test"))
        leaked = sum(bool((train != label).any()) for label in test)
        if leaked:
            found.append(Leak(int(source), len(train), leaked))
    return sorted(found, key=lambda leak: (-leak.test, -leak.train, leak.source))


def examine(subject: Subject) -> Section:
    """The section on sources."""
    title = "Sources in both training and test"
    good = subject.good
    names = subject.table.groups
    labels, sources, splits = subject.table.labels[good], subject.sources[good], subject.splits[good]
    if not subject.has_sources:
        text = "every clip is a source of its own: the reader knows of none, so nothing can be said of leaks"
        return Section("leakage", title, Verdict(Mark.UNKNOWN, text, _RULE), _METHOD)
    if not len(subject.train) or not len(subject.test):
        text = f"there are {len(subject.train)} training and {len(subject.test)} test clips"
        return Section("leakage", title, Verdict(Mark.UNKNOWN, text, _RULE), _METHOD)
    name_of = dict(zip(subject.sources.tolist(), names.tolist(), strict=True))
    within = leaks_within(labels, sources, splits)
    across = leaks_across(labels, sources, splits)
    inside = tuple((name_of[k.source], subject.table.classes[label], k.train, k.test) for label, k in within[:SHOWN])
    outside = tuple((name_of[leak.source], leak.train, leak.test) for leak in across[:SHOWN])
    grids = []
    if inside:
        caption = _caption("within a class, class by class", len(within))
        grids.append(Grid(caption, ("source", "class", "train", "test"), inside))
    if outside:
        grids.append(Grid(_caption("across classes", len(across)), ("source", "train", "test"), outside))
    return Section(
        "leakage",
        title,
        _judge(inside, outside, within=[leak for _, leak in within], across=across, subject=subject),
        _METHOD,
        values={
            "within": len({leak.source for _, leak in within}),
            "within_test_clips": sum(leak.test for _, leak in within),
            "across": len(across),
            "across_test_clips": sum(leak.test for leak in across),
            "sources": len(np.unique(sources)),
        },
        grids=tuple(grids),
    )


def _caption(where: str, count: int) -> str:
    shown = f"the {SHOWN} with the most test clips of {count}" if count > SHOWN else f"all {count}"
    return f"Sources in training and test {where} ({shown})"


def _judge(
    inside: tuple[tuple[object, ...], ...],
    outside: tuple[tuple[object, ...], ...],
    *,
    within: list[Leak],
    across: list[Leak],
    subject: Subject,
) -> Verdict:
    tests = len(subject.test)
    count = len({leak.source for leak in within})
    parts = [f"within a class: {count} source{'s' * (count != 1)} in both training and test"]
    if inside:
        worst = f"{inside[0][0]} in {inside[0][1]}, {inside[0][2]} training and {inside[0][3]} test clips"
        parts[0] += f" ({len(within)} counted class by class)" if len(within) > count else ""
        parts[0] += f", {sum(leak.test for leak in within)} of {tests} test clips; worst: {worst}"
    parts.append(f"across classes: {len(across)}")
    if outside:
        worst = f"{outside[0][0]}, {outside[0][1]} training and {outside[0][2]} test clips"
        parts[1] += f", {sum(leak.test for leak in across)} of {tests} test clips; worst: {worst}"
    mark = Mark.WARNING if within else Mark.NOTE if across else Mark.OK
    return Verdict(mark, "; ".join(parts), _RULE)
