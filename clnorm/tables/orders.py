"""How results depend on the order of the classes: for each norm the range over orders, and the norms' ranking."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from shlex import quote

import numpy as np
import pandas as pd

from clnorm.catalogue import PROTOCOLS
from clnorm.catalogue.registry import format_spec
from clnorm.console import csv_text
from clnorm.errors import UserError
from clnorm.evaluation.metrics import find_metric
from clnorm.results.percent import percent, rounded
from clnorm.results.record import label_norm
from clnorm.results.selection import plain_text, tells_settings_apart
from clnorm.tables.dialects import MISSING

FORMATS = ("rich", "markdown", "csv")
_OF_ORDER = ("order", "similarity", "file")  # options of protocols that decide the order of the classes alone
_HEADINGS = ("norm", "strategy", "metric", "orders", "min", "median", "max", "lowest under", "highest under")
_FEWEST = 2


@dataclass(frozen=True)
class OrderRange:
    """One norm under one strategy in one metric, over orders.

    Args:
        norm, strategy, metric: which.
        values: the mean over seeds under each order, by its name; empty where a run is missing.
    """

    norm: str
    strategy: str
    metric: str
    values: dict[str, float]


def make_orders_table(df: pd.DataFrame, *, metrics: Sequence[str], format: str = "rich") -> str:  # noqa: A002
    """A table of the least, median and greatest value over orders of the classes, and how alike orders rank norms.

    Under each order the value is the mean over its seeds. Where a norm lacks a finished run that another norm has under
    a strategy, its cells are empty. Below, for each strategy and metric: Kendall's tau-b between the norms' values
    under two orders, as mean and least over the pairs of orders that have one, over the norms without
    empty cells.

    Sources: the range over orders is asked for by Lai et al., "The Lie of the Average: How Class Incremental Learning
    Evaluation Deceives You?", arXiv 2509.22580 (EDGE); tau: Kendall, "A New Measure of Rank Correlation", Biometrika
    1938, with ties as in "The Treatment of Ties in Ranking Problems", Biometrika 1945.

    Args:
        df: of `load_results` with the columns `config` and `order`; the runs of one setting but for the order.
        metrics: names, as `clnorm table` takes them.
        format: rich, markdown or csv (shares at full precision, without tau).

    Raises:
        UserError: no finished run, a single order, runs that differ in more than order, norm, strategy and seed, or an
            unknown metric or format.
    """
    if format not in FORMATS:
        raise UserError(f"there is no {format!r} of orders", where="--format", legal=FORMATS, given=format)
    for metric in metrics:
        find_metric(metric, where="table")
    df = df[df["status"] == "finished"]
    if df.empty:
        raise UserError("there is no finished run", where="table --orders", hint="train one with: clnorm run")
    _check_alike(df)
    ranges = list(_collect(df.assign(norm=list(map(label_norm, df["norm"], df["label"]))), metrics))
    if format == "csv":
        return _to_csv(ranges)
    seeds = df["seed"].nunique()
    setting = f"Dataset {df['dataset'].iloc[0]}, backbone {df['backbone'].iloc[0]}, {seeds} seed{'s' * (seeds != 1)}."
    return _to_text(ranges, setting, markdown=format == "markdown")


def rank_agreements(values: np.ndarray) -> list[float]:
    """Kendall's tau-b of the columns' ranking between two rows, for each pair of rows.

    Args:
        values: (orders, norms).

    Returns:
        NaN for a pair of which one row has equal columns; nothing where there are fewer than two rows or columns.
    """
    if min(values.shape) < _FEWEST:
        return []
    from scipy.stats import kendalltau

    return [float(kendalltau(one, other).statistic) for one, other in combinations(values, 2)]


def _check_alike(df: pd.DataFrame) -> None:
    """Refuse runs that differ in more than the order of the classes, norm, strategy and seed.

    Raises:
        UserError: they do, or there is a single order.
    """
    plain = df.assign(protocol=[_without_order(text) for text in df["protocol"]])
    if plain["protocol"].nunique() > 1:
        alike = df.loc[plain["protocol"] == plain["protocol"].iloc[0], "protocol"].unique()
        raise UserError(
            f"the runs differ in protocol: {' | '.join(sorted(plain['protocol'].unique()))}",
            where="table --orders",
            hint=f"narrow with: {' '.join('--where ' + quote(f'protocol={text}') for text in alike)}",
        )
    for column in (name for name in plain.columns if name != "order" and tells_settings_apart(plain, name)):
        values = sorted(map(plain_text, plain[column].unique()))
        raise UserError(
            f"the runs differ in {column}: {' | '.join(values)}",
            where="table --orders",
            hint=f"narrow with: --where {quote(f'{column}={values[0]}')}",
        )
    if df["order"].nunique() < _FEWEST:
        raise UserError(
            "all runs have the same order of classes",
            where="table --orders",
            hint="sweep over some, such as grid: {protocol: ['even:order=hard', 'even:order=easy']}",
        )


def _without_order(protocol: str) -> str:
    """A protocol's text without what decides the order of the classes; a plug-in's as it is."""
    spec = PROTOCOLS.parse_own(protocol)
    if spec is None:
        return protocol
    return format_spec(spec.name, {key: value for key, value in spec.options if key not in _OF_ORDER})


def _collect(df: pd.DataFrame, metrics: Sequence[str]) -> Iterator[OrderRange]:
    named = _name_orders(df)
    for metric in metrics:
        for strategy, of_strategy in df.groupby("strategy", sort=False):
            wanted = set(of_strategy[["order", "seed"]].itertuples(index=False, name=None))
            rows = of_strategy[(of_strategy["metric"] == metric) & of_strategy["value"].notna()]
            for norm in df["norm"].unique():
                # A seed's own order may be asked for by its number, too, which makes two runs of the same.
                own = rows[rows["norm"] == norm].drop_duplicates(["order", "seed"])
                complete = wanted == set(own[["order", "seed"]].itertuples(index=False, name=None))
                means = own.groupby("order", sort=False)["value"].mean() if complete else {}
                values = {named[order]: float(value) for order, value in sorted(means.items())}
                yield OrderRange(str(norm), str(strategy), metric, values)


def _name_orders(df: pd.DataFrame) -> dict[str, str]:
    """Each order's name: its protocol, with the seed where that draws it, and its hash where a file has changed."""
    found = df[["order", "protocol", "seed"]].drop_duplicates("order")
    several = found["protocol"].duplicated(keep=False)
    named = {
        order: f"{protocol}, seed {seed}" if drawn else protocol
        for (order, protocol, seed), drawn in zip(found.itertuples(index=False, name=None), several, strict=True)
    }
    names = list(named.values())
    return {order: f"{name} ({order[:8]})" if names.count(name) > 1 else name for order, name in named.items()}


def _rows(ranges: Sequence[OrderRange]) -> Iterator[list[str]]:
    """The table's rows, values in per cent."""
    for each in ranges:
        head = [each.norm, each.strategy, find_metric(each.metric).title]
        if not each.values:
            yield [*head, MISSING, *[MISSING] * 5]
            continue
        values = list(each.values.values())
        shown = [percent(value) for value in (min(values), float(np.median(values)), max(values))]
        ends = [", ".join(_reached(each.values, choose(values))) for choose in (min, max)]
        yield [*head, str(len(values)), *shown, *ends]


def _reached(values: Mapping[str, float], end: float) -> list[str]:
    """The orders under which a value is the given one, but for rounding."""
    return [order for order, value in values.items() if rounded(value) == rounded(end)]


def _agreements(ranges: Sequence[OrderRange]) -> Iterator[str]:
    for strategy, metric in dict.fromkeys((each.strategy, each.metric) for each in ranges):
        full = [each for each in ranges if (each.strategy, each.metric) == (strategy, metric) and each.values]
        orders = list(full[0].values) if full else []
        values = np.array([[each.values[order] for each in full] for order in orders]).reshape(len(orders), len(full))
        taus = rank_agreements(values)
        known = [tau for tau in taus if not math.isnan(tau)]
        told = f"mean {np.mean(known):.2f}, least {min(known):.2f}" if known else "undefined"
        if known and len(known) < len(taus):
            told += f" (undefined for {len(taus) - len(known)} of {len(taus)} pairs, where all norms are equal)"
        said = f"Kendall's tau of the ranking of {len(full)} norms between two orders"
        yield f"{strategy}, {find_metric(metric).title}: {said}, {told}."


def _to_text(ranges: Sequence[OrderRange], setting: str, *, markdown: bool) -> str:
    rows = [list(_HEADINGS), *_rows(ranges)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADINGS))]
    numeric = range(3, 7)
    lines = [
        [cell.rjust(width) if place in numeric else cell.ljust(width) for place, (cell, width) in enumerate(pairs)]
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    if markdown:
        rule = ["--:" if place in numeric else ":--" for place in range(len(_HEADINGS))]
        table = ["| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]]]
    else:
        table = ["  ".join(line).rstrip() for line in lines]
    caption = (
        "In per cent; under an order, the mean over its seeds. Orders: the classes of the experiences, in their order."
    )
    missing = (
        f" {MISSING}: without a finished run for every order and seed." if any(not e.values for e in ranges) else ""
    )
    metrics = (find_metric(name) for name in dict.fromkeys(each.metric for each in ranges))
    defined = " ".join(f"{metric.title}: {metric.formula} ({metric.source})." for metric in metrics)
    said = [f"{setting} {caption}{missing}", defined, *_agreements(ranges)]
    return "\n".join([*table, "", ("\n\n" if markdown else "\n").join(said)]) + "\n"


def _to_csv(ranges: Sequence[OrderRange]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["norm", "strategy", "metric", "order", "value"])
    for each in ranges:
        for order, value in each.values.items():
            writer.writerow([csv_text(each.norm), csv_text(each.strategy), each.metric, csv_text(order), repr(value)])
    return buffer.getvalue()
