"""One cell of a table, and what it is among the cells of its column: the best, or different from one of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from clnorm.evaluation.ranks import effect_size
from clnorm.evaluation.stats import FEWEST, Interval, PairedDifference, holm, paired_difference, t_interval
from clnorm.results.percent import rounded

Mark = Literal["best", "second", ""]
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Cell:
    """One row in one column in one metric.

    Args:
        values: the value by seed, of finished runs that have one.
        complete: whether that is every seed of the table.
        interval: the mean over seeds with its t interval; None where the cell is incomplete.
        mark: its place among the complete cells of its column, where a test supports it.
        difference: the paired difference to the row compared with; None where there is none.
        p_holm: that difference's p-value, Holm-corrected over the rows of its column.
        effect: that difference's effect size, NaN where the pairs all differ alike; None where it is not asked for.
    """

    values: Mapping[int, float]
    complete: bool
    interval: Interval | None
    mark: Mark = ""
    difference: PairedDifference | None = None
    p_holm: float = float("nan")
    effect: float | None = None


def create_cell(values: Mapping[int, float], seeds: Sequence[int]) -> Cell:
    """A cell without a place or a difference, from the value by seed."""
    complete = values.keys() == set(seeds)
    return Cell(values, complete, t_interval([values[seed] for seed in seeds]) if complete else None)


def mark_best(column: Mapping[str, Cell], *, higher_is_better: bool) -> dict[str, Cell]:
    """Mark the best and second mean where they are told apart from all that is worse.

    Equal means share a place, and two best leave no second. Without a mark for the best there is none for the second.
    """
    sign = -1 if higher_is_better else 1
    means = {row: sign * rounded(cell.interval.mean) for row, cell in column.items() if cell.interval}
    marked, places = dict(column), list[Mark](["best", "second"])
    while places and means:
        first = [row for row, mean in means.items() if mean == min(means.values())]
        means = {row: mean for row, mean in means.items() if row not in first}
        mark = places.pop(0)
        if len(first) > 1:
            places = []
        if not means or not all(_told_apart(column, row, means) for row in first):
            break
        marked |= {row: replace(column[row], mark=mark) for row in first}
    return marked


def _told_apart(column: Mapping[str, Cell], row: str, worse: Iterable[str]) -> bool:
    """Whether each difference to the worse ones is significant; never with fewer seeds than a test is made of."""
    found = [paired_difference(column[row].values, column[other].values) for other in worse]
    return all(difference.n >= FEWEST for difference in found) and bool(
        (holm([difference.p for difference in found]) < SIGNIFICANT).all()
    )


def compare(column: Mapping[str, Cell], versus: str, *, effect: bool) -> dict[str, Cell]:
    """Give every other complete cell its paired difference to the cell of `versus`, with effect sizes where asked."""
    reference = column[versus]
    if not reference.complete:
        return dict(column)
    differences = {
        row: paired_difference(cell.values, reference.values)
        for row, cell in column.items()
        if row != versus and cell.complete
    }
    corrected = dict(zip(differences, holm([found.p for found in differences.values()]), strict=True))
    return dict(column) | {
        row: replace(
            column[row],
            difference=difference,
            p_holm=float(corrected[row]),
            effect=effect_size(column[row].values, reference.values) if effect else None,
        )
        for row, difference in differences.items()
    }
