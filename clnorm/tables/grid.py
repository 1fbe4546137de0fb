"""The numbers of a table: rows x columns x metrics, each cell complete or empty, independent of any format."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd

from clnorm.catalogue.reference import Reference
from clnorm.catalogue.registry import Registry
from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS, Metric, find_metric
from clnorm.evaluation.stats import FEWEST, Interval, PairedDifference, holm, paired_difference, t_interval
from clnorm.results.percent import rounded
from clnorm.results.published import Published
from clnorm.results.record import NOTES, UNKNOWN, label_norm
from clnorm.results.selection import EXPERIMENT, VERSIONS, plain_text
from clnorm.tables.axes import check_axes, fix_kind
from clnorm.tables.names import KINDS, Place, cite_metrics, name_all

Mark = Literal["best", "second", ""]
SIGNIFICANT = 0.05
AXES = ("norm", "strategy")
"""What rows and columns are unless others are asked for."""
_ROUNDING = 1e-9  # by which a share may pass 1


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
    """

    values: Mapping[int, float]
    complete: bool
    interval: Interval | None
    mark: Mark = ""
    difference: PairedDifference | None = None
    p_holm: float = float("nan")


@dataclass(frozen=True)
class Stream:
    """A dataset, a protocol, and what the one becomes by the other.

    Args:
        dataset: its name.
        protocol: its name.
        experiences: how many classes each has, as `load_results` says; `unknown` where the runs do not tell.
    """

    dataset: str
    protocol: str
    experiences: str = UNKNOWN


@dataclass(frozen=True)
class Grid:
    """A table's rows, columns and cells, and what all its runs share.

    Args:
        axes: the kinds of thing that rows and columns are, such as norm and strategy.
        rows: in the order of display; norms with their labels.
        columns: the column groups, in the order of display.
        labels: those that any norm has.
        metrics: the columns within each group.
        seeds: the seeds that a complete cell has: all those of any run in the table.
        fixed: by kind, the name of what is no axis, such as dataset, protocol and backbone.
        versus: the row that the others are compared with, or None.
        cells: by (row, column, metric key).
        streams: each dataset with a protocol that it is cut by, and the number of classes in each experience.
        kept: by strategy, the least and most megabytes that its runs keep beside the model, where all of them tell.
        experiment: what else defines the experiment, by column of `clnorm.results.selection.EXPERIMENT`.
        names: by (kind, name), what the user calls it.
        titles: by (kind, name), what papers call it, or the user.
        cited: by (kind, name), the papers to cite; empty where the table cites none.
        runs: that the table is made of, those that have not finished marked.
        versions: what they were made with, as far as the runs tell.
        reported: numbers of papers, by row, column and metric key; a row's name is a method and how it is known.
    """

    axes: tuple[str, str]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[Metric, ...]
    seeds: tuple[int, ...]
    fixed: Mapping[str, str]
    versus: str | None
    cells: Mapping[tuple[str, str, str], Cell]
    streams: tuple[Stream, ...] = ()
    kept: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    experiment: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[Place, str] = field(default_factory=dict)
    titles: Mapping[Place, str] = field(default_factory=dict)
    cited: Mapping[Place, tuple[Reference, ...]] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    reported: Mapping[tuple[tuple[str, str], str, str], Published] = field(default_factory=dict)

    @property
    def reported_rows(self) -> list[tuple[str, str]]:
        """Their names, in the order of the file that they were read from."""
        return list(dict.fromkeys(row for row, _, _ in self.reported))

    def list_names(self, kind: str) -> tuple[str, ...]:
        """All names of a kind in the table, on an axis or fixed."""
        return dict(zip(self.axes, (self.rows, self.columns), strict=True)).get(kind) or (self.fixed[kind],)


def create_grid(
    df: pd.DataFrame,
    *,
    metrics: Sequence[str],
    axes: tuple[str, str] = AXES,
    versus: str | None = None,
    names: Mapping[str, str] | None = None,
    cite: bool = False,
) -> Grid:
    """The cells of a table, from the long frame of results.

    A cell is complete when every seed of the table has a finished run and a value; otherwise it has no mean.

    Raises:
        UserError: no run, several settings, two runs for one place, a value that is no share, or an unknown metric,
            label, axis, row to compare to or name to replace.
    """
    if not metrics:
        raise UserError("no metric is named", where="table", legal=METRICS)
    shown = tuple({metric.key: metric for metric in (find_metric(name, where="table") for name in metrics)}.values())
    check_axes(df, axes)
    df = df.astype({**dict.fromkeys(KINDS, str), "label": str, "metric": str})
    df = df.assign(value=_read_shares(df, shown))
    labels = tuple(sorted(set(df["label"]) - {""}))
    for label in labels:
        if label not in NOTES:
            raise UserError(f"unknown label {label!r}", where="table", legal=NOTES, given=label)
    own, titles, papers = name_all(df, names or {})
    df = df.assign(norm=[label_norm(norm, label) for norm, label in zip(df["norm"], df["label"], strict=True)])
    fixed = {kind: fix_kind(df, kind) for kind in KINDS if kind not in axes}
    _refuse_doubles(df)
    rows, columns = (ordered_names(set(df[kind]), KINDS[kind]) for kind in axes)
    if versus is not None and versus not in rows:
        raise UserError(f"no run has the {axes[0]} {versus!r}", where="table", legal=rows, given=versus)
    grid = Grid(
        axes=axes,
        rows=rows,
        columns=columns,
        labels=labels,
        metrics=shown,
        seeds=tuple(sorted(int(seed) for seed in df["seed"].unique())),
        fixed=fixed,
        versus=versus,
        cells={},
        streams=_list_streams(df),
        kept=_read_kept(df),
        experiment={name: _join(df[name]) for name in EXPERIMENT if name in df.columns},
        names=own,
        titles=titles,
        cited=papers | cite_metrics(metrics) if cite else {},
        runs=_list_runs(df),
        versions=_list_versions(df),
    )
    return replace(grid, cells=_cells(df, grid))


def _list_streams(df: pd.DataFrame) -> tuple[Stream, ...]:
    columns = [name for name in ("dataset", "protocol", "experiences") if name in df.columns]
    told = df[columns].astype(str).drop_duplicates()
    return tuple(
        Stream(**dict(zip(columns, values, strict=True))) for values in told.itertuples(index=False, name=None)
    )


def _list_runs(df: pd.DataFrame) -> tuple[str, ...]:
    told = df[["run", "status"]].astype(str).drop_duplicates().sort_values("run", kind="stable")
    return tuple(run if status == "finished" else f"{run} ({status})" for run, status in told.itertuples(index=False))


def _list_versions(df: pd.DataFrame) -> tuple[str, ...]:
    names = [name for name in VERSIONS if name in df.columns]
    told = df[names].astype(str).drop_duplicates() if names else pd.DataFrame()
    labels = [name.partition(".")[2] for name in names]
    rows = (
        [pair for pair in zip(labels, row, strict=True) if pair[1] != UNKNOWN] for row in told.itertuples(index=False)
    )
    return tuple(", ".join(map(" ".join, pairs)) for pairs in rows if pairs)


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
    place = [*KINDS, "seed", "metric"]
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
    for row, column, metric, seed, value in usable[[*grid.axes, "metric", "seed", "value"]].itertuples(
        index=False, name=None
    ):
        found.setdefault((row, column, metric), {})[int(seed)] = float(value)
    cells: dict[tuple[str, str, str], Cell] = {}
    for column in grid.columns:
        for metric in grid.metrics:
            own = {row: _cell(found.get((row, column, metric.key), {}), grid.seeds) for row in grid.rows}
            own = _marked(own, higher_is_better=metric.higher_is_better)
            if grid.versus is not None:
                own = _compared(own, grid.versus)
            cells |= {(row, column, metric.key): cell for row, cell in own.items()}
    return cells


def _cell(values: Mapping[int, float], seeds: Sequence[int]) -> Cell:
    complete = values.keys() == set(seeds)
    return Cell(values, complete, t_interval([values[seed] for seed in seeds]) if complete else None)


def _marked(column: Mapping[str, Cell], *, higher_is_better: bool) -> dict[str, Cell]:
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


def _compared(column: Mapping[str, Cell], versus: str) -> dict[str, Cell]:
    """Give every other complete cell its paired difference to the cell of `versus`."""
    reference = column[versus]
    if not reference.complete:
        return dict(column)
    differences = {
        row: paired_difference(cell.values, reference.values)
        for row, cell in column.items()
        if row != versus and cell.complete
    }
    corrected = dict(zip(differences, holm([found.p for found in differences.values()]), strict=True))
    return {
        row: replace(cell, difference=differences[row], p_holm=float(corrected[row])) if row in differences else cell
        for row, cell in column.items()
    }
