"""The numbers of a table: rows x columns x metrics, each cell complete or empty, independent of any format."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from clnorm.catalogue.reference import Reference
from clnorm.catalogue.registry import Registry
from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS, Metric, find_metric
from clnorm.evaluation.stats import FEWEST
from clnorm.results.published import Published
from clnorm.results.record import NOTES, UNKNOWN, label_norm
from clnorm.results.selection import EXPERIMENT, VERSIONS, plain_text
from clnorm.tables.axes import check_axes, fix_kind
from clnorm.tables.cell import Cell, compare, create_cell, mark_best
from clnorm.tables.names import KINDS, Place, cite_metrics, name_all

AXES = ("norm", "strategy")
"""What rows and columns are unless others are asked for."""
_ROUNDING = 1e-9  # by which a share may pass 1


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
        effect: whether each difference has its effect size.
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
    effect: bool = False
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

    @property
    def bounds(self) -> tuple[str, ...]:
        """The rows that are upper bounds, which compete with none for a mark."""
        specs = ((row, KINDS[self.axes[0]].parse_own(row)) for row in self.rows)
        return tuple(row for row, spec in specs if spec is not None and spec.entry.upper_bound)

    def list_names(self, kind: str) -> tuple[str, ...]:
        """All names of a kind in the table, on an axis or fixed."""
        return dict(zip(self.axes, (self.rows, self.columns), strict=True)).get(kind) or (self.fixed[kind],)


def create_grid(
    df: pd.DataFrame,
    *,
    metrics: Sequence[str],
    axes: tuple[str, str] = AXES,
    versus: str | None = None,
    effect: bool = False,
    names: Mapping[str, str] | None = None,
    cite: bool = False,
) -> Grid:
    """The cells of a table, from the long frame of results.

    A cell is complete when every seed of the table has a finished run and a value; otherwise it has no mean.

    Raises:
        UserError: no run, several settings, two runs for one place, a value that is no share, an unknown metric, label,
            axis, row to compare to or name to replace, or an effect size of no difference or of too few seeds.
    """
    if not metrics:
        raise UserError("no metric is named", where="table", legal=METRICS)
    shown = tuple({metric.key: metric for metric in (find_metric(name, where="table") for name in metrics)}.values())
    check_axes(df, axes)
    df = df.astype({**dict.fromkeys(KINDS, str), "label": str, "metric": str})
    df = df.assign(value=read_shares(df, shown))
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
        effect=effect,
        streams=_list_streams(df),
        kept=_read_kept(df),
        experiment={name: _join(df[name]) for name in EXPERIMENT if name in df.columns},
        names=own,
        titles=titles,
        cited=papers | cite_metrics(metrics, effect=effect) if cite else {},
        runs=_list_runs(df),
        versions=_list_versions(df),
    )
    if effect:
        _check_effect(grid)
    return replace(grid, cells=_cells(df, grid))


def _check_effect(grid: Grid) -> None:
    """Refuse an effect size where there is none.

    Raises:
        UserError: nothing is compared, or there are fewer seeds than it can be told from.
    """
    if grid.versus is None:
        what = "an effect size is of a difference, and the table has none"
        raise UserError(what, where="--effect", hint=f"add --versus, such as --versus {grid.rows[0]}")
    if len(grid.seeds) < FEWEST:
        what = f"the runs have {len(grid.seeds)} seed{'s' * (len(grid.seeds) != 1)}, too few for an effect size"
        raise UserError(what, where="--effect", legal=f"{FEWEST} or more", hint="run more seeds, or leave it out")


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


def read_shares(df: pd.DataFrame, metrics: Sequence[Metric]) -> "pd.Series[Any]":
    """The values as numbers, those of `metrics` checked: each is a share or a difference of shares, or undefined.

    Raises:
        UserError: one is neither; its run is named.
    """
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
        named = same["folder"] if "folder" in same.columns else same["run"]  # copies of a run have its name
        raise UserError(
            f"several runs have norm {first['norm']}, strategy {first['strategy']} and seed {first['seed']}",
            where="table",
            legal=f"one of {', '.join(map(str, named))}",
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
            own = {row: create_cell(found.get((row, column, metric.key), {}), grid.seeds) for row in grid.rows}
            competing = {row: cell for row, cell in own.items() if row not in grid.bounds}
            own |= mark_best(competing, higher_is_better=metric.higher_is_better)
            if grid.versus is not None:
                own = compare(own, grid.versus, effect=grid.effect)
            cells |= {(row, column, metric.key): cell for row, cell in own.items()}
    return cells
