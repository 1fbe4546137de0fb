"""The numbers of a table: norms x strategies x metrics, each cell complete or empty, independent of any format."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd

from clnorm.catalogue import NORMS, STRATEGIES
from clnorm.catalogue.reference import Reference
from clnorm.catalogue.registry import Registry
from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS, Metric, find_metric
from clnorm.evaluation.stats import FEWEST, Interval, PairedDifference, holm, paired_difference, t_interval
from clnorm.results.names import Place, cite_metrics, name_all
from clnorm.results.percent import rounded
from clnorm.results.record import NOTES, label_norm
from clnorm.results.selection import EXPERIMENT, SETTING, check_one_setting, plain_text

Mark = Literal["best", "second", ""]
SIGNIFICANT = 0.05
_ROUNDING = 1e-9  # by which a share may pass 1


@dataclass(frozen=True)
class Cell:
    """One norm under one strategy in one metric.

    Args:
        values: the value by seed, of finished runs that have one.
        complete: whether that is every seed of the table.
        interval: the mean over seeds with its t interval; None where the cell is incomplete.
        mark: its place among the complete cells of its column, where a test supports it.
        difference: the paired difference to the norm compared with; None where there is none.
        p_holm: that difference's p-value, Holm-corrected over the norms of its column.
    """

    values: Mapping[int, float]
    complete: bool
    interval: Interval | None
    mark: Mark = ""
    difference: PairedDifference | None = None
    p_holm: float = float("nan")


@dataclass(frozen=True)
class Grid:
    """A table's rows, columns and cells, and what all its runs share.

    Args:
        norms: the rows, in the order of display: norms with their labels.
        labels: those that any row has.
        strategies: the column groups, in the order of display.
        metrics: the columns within each group.
        seeds: the seeds that a complete cell has: all those of any run in the table.
        setting: dataset, protocol and backbone.
        versus: the norm that the others are compared with, or None.
        cells: by (norm, strategy, metric key).
        kept: by strategy, the least and most megabytes that its runs keep beside the model, where all of them tell.
        experiment: what else defines the experiment, by column of `clnorm.results.selection.EXPERIMENT`.
        names: by (kind, name), what the user calls it.
        titles: by (kind, name), what papers call it, or the user.
        cited: by (kind, name), the papers to cite; empty where the table cites none.
    """

    norms: tuple[str, ...]
    labels: tuple[str, ...]
    strategies: tuple[str, ...]
    metrics: tuple[Metric, ...]
    seeds: tuple[int, ...]
    setting: Mapping[str, str]
    versus: str | None
    cells: Mapping[tuple[str, str, str], Cell]
    kept: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    experiment: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[Place, str] = field(default_factory=dict)
    titles: Mapping[Place, str] = field(default_factory=dict)
    cited: Mapping[Place, tuple[Reference, ...]] = field(default_factory=dict)


def create_grid(
    df: pd.DataFrame,
    *,
    metrics: Sequence[str],
    versus: str | None = None,
    names: Mapping[str, str] | None = None,
    cite: bool = False,
) -> Grid:
    """The cells of a table, from the long frame of results.

    A cell is complete when every seed of the table has a finished run and a value; otherwise it has no mean.

    Raises:
        UserError: no run, several settings, two runs for one place, a value that is no share, or an unknown metric,
            label, norm to compare to or name to replace.
    """
    if not metrics:
        raise UserError("no metric is named", where="table", legal=METRICS)
    shown = tuple({metric.key: metric for metric in (find_metric(name, where="table") for name in metrics)}.values())
    check_one_setting(df)
    df = df.astype({"norm": str, "strategy": str, "label": str, "metric": str})
    df = df.assign(value=_read_shares(df, shown))
    labels = tuple(sorted(set(df["label"]) - {""}))
    for label in labels:
        if label not in NOTES:
            raise UserError(f"unknown label {label!r}", where="table", legal=NOTES, given=label)
    own, titles, papers = name_all(df, names or {})
    df = df.assign(norm=[label_norm(norm, label) for norm, label in zip(df["norm"], df["label"], strict=True)])
    _refuse_doubles(df)
    norms = ordered_names(set(df["norm"]), NORMS)
    if versus is not None and versus not in norms:
        raise UserError(f"no run has the norm {versus!r}", where="table", legal=norms, given=versus)
    grid = Grid(
        norms=norms,
        labels=labels,
        strategies=ordered_names(set(df["strategy"]), STRATEGIES),
        metrics=shown,
        seeds=tuple(sorted(int(seed) for seed in df["seed"].unique())),
        setting={column: str(df[column].iloc[0]) for column in SETTING},
        versus=versus,
        cells={},
        kept=_read_kept(df),
        experiment={name: _join(df[name]) for name in EXPERIMENT if name in df.columns},
        names=own,
        titles=titles,
        cited=papers | cite_metrics(metrics) if cite else {},
    )
    return replace(grid, cells=_cells(df, grid))


def _read_shares(df: pd.DataFrame, metrics: Sequence[Metric]) -> "pd.Series[Any]":
    """The values as numbers, those of `metrics` checked: each is a share or a difference of shares, or undefined."""
    values = pd.to_numeric(df["value"], errors="coerce")
    largest = df["metric"].map({metric.key: metric.largest + _ROUNDING for metric in metrics})
    wrong = df[largest.notna() & ~((values.abs() <= largest) | df["value"].isna())]
    if not wrong.empty:
        first = wrong.iloc[0]
        raise UserError(
            f"{first['metric']} is {first['value']}", where=str(first["run"]), legal="a share from -1 to 1, or none"
        )
    return values


def _read_kept(df: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """The megabytes kept by each strategy; a frame made by hand, or of older records, may lack them."""
    if "kept" not in df.columns:
        return {}
    kept = pd.to_numeric(df["kept"], errors="coerce").groupby(df["strategy"])
    told = {str(strategy): (values.min(), values.max()) for strategy, values in kept if values.notna().all()}
    return {strategy: (float(least), float(most)) for strategy, (least, most) in told.items()}


def _join(column: "pd.Series[Any]") -> str:
    """The one value of runs that share a setting; several where it does not count there, such as a file's name."""
    return " | ".join(dict.fromkeys(map(plain_text, column.astype(str).unique())))


def _refuse_doubles(df: pd.DataFrame) -> None:
    place = ["norm", "strategy", "seed", "metric"]
    doubled = df[df.duplicated(place, keep=False)]
    if not doubled.empty:
        first = doubled.iloc[0]
        same = doubled[(doubled[place] == first[place]).all(axis=1)]
        raise UserError(
            f"several runs have norm {first['norm']}, strategy {first['strategy']} and seed {first['seed']}",
            where="table",
            legal=f"one of {', '.join(map(str, same['run']))}",
            hint="move the others elsewhere",
        )


def ordered_names(names: set[str], registry: Registry) -> tuple[str, ...]:
    """Built-in names in the order of the catalogue, then the others by alphabet."""
    position = {name: index for index, name in enumerate(registry.names())}
    return tuple(sorted(names, key=lambda name: (position.get(re.split("[: ]", name)[0], len(position)), name)))


def _cells(df: pd.DataFrame, grid: Grid) -> dict[tuple[str, str, str], Cell]:
    usable = df[(df["status"] == "finished") & df["value"].notna()]
    found: dict[tuple[str, str, str], dict[int, float]] = {}
    for norm, strategy, metric, seed, value in usable[["norm", "strategy", "metric", "seed", "value"]].itertuples(
        index=False, name=None
    ):
        found.setdefault((norm, strategy, metric), {})[int(seed)] = float(value)
    cells: dict[tuple[str, str, str], Cell] = {}
    for strategy in grid.strategies:
        for metric in grid.metrics:
            column = {norm: _cell(found.get((norm, strategy, metric.key), {}), grid.seeds) for norm in grid.norms}
            column = _marked(column, higher_is_better=metric.higher_is_better)
            if grid.versus is not None:
                column = _compared(column, grid.versus)
            cells |= {(norm, strategy, metric.key): cell for norm, cell in column.items()}
    return cells


def _cell(values: Mapping[int, float], seeds: Sequence[int]) -> Cell:
    complete = values.keys() == set(seeds)
    return Cell(values, complete, t_interval([values[seed] for seed in seeds]) if complete else None)


def _marked(column: Mapping[str, Cell], *, higher_is_better: bool) -> dict[str, Cell]:
    """Mark the best and second mean where they are told apart from all that is worse.

    Equal means share a place, and two best leave no second. Without a mark for the best there is none for the second.
    """
    sign = -1 if higher_is_better else 1
    means = {norm: sign * rounded(cell.interval.mean) for norm, cell in column.items() if cell.interval}
    marked, places = dict(column), list[Mark](["best", "second"])
    while places and means:
        first = [norm for norm, mean in means.items() if mean == min(means.values())]
        means = {norm: mean for norm, mean in means.items() if norm not in first}
        mark = places.pop(0)
        if len(first) > 1:
            places = []
        if not means or not all(_told_apart(column, norm, means) for norm in first):
            break
        marked |= {norm: replace(column[norm], mark=mark) for norm in first}
    return marked


def _told_apart(column: Mapping[str, Cell], norm: str, worse: Iterable[str]) -> bool:
    """Whether each difference to the worse ones is significant; never with fewer seeds than a test is made of."""
    found = [paired_difference(column[norm].values, column[other].values) for other in worse]
    return all(difference.n >= FEWEST for difference in found) and bool(
        (holm([difference.p for difference in found]) < SIGNIFICANT).all()
    )


def _compared(column: Mapping[str, Cell], versus: str) -> dict[str, Cell]:
    """Give every other complete cell its paired difference to the cell of `versus`."""
    reference = column[versus]
    if not reference.complete:
        return dict(column)
    differences = {
        norm: paired_difference(cell.values, reference.values)
        for norm, cell in column.items()
        if norm != versus and cell.complete
    }
    corrected = dict(zip(differences, holm([found.p for found in differences.values()]), strict=True))
    return {
        norm: replace(cell, difference=differences[norm], p_holm=float(corrected[norm]))
        if norm in differences
        else cell
        for norm, cell in column.items()
    }
