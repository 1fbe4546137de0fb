"""`clnorm table`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.cli.flags import Verbs, add_names, add_where, split_names
from clnorm.cli.output import naming_unreadable, print_note, print_styled, print_text
from clnorm.errors import ClnormError, UserError

if TYPE_CHECKING:
    import pandas as pd


_OF_TABLES = ("versus", "effect", "name", "bib", "rows", "cols", "style", "published")
"""Flags that say how a table is, and nothing where another thing is shown."""


def add_table(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    table = verbs.add_parser("table", parents=[common], help="norms x strategies as a table, from finished runs")
    table.add_argument("folder", help="folder of run folders")
    table.add_argument(
        "--format",
        default="rich",
        help="rich, markdown, latex (a float to read in), document (it compiles by itself), html or csv",
    )
    table.add_argument(
        "--style",
        default="plain",
        help="what rows, columns and metrics are unless they are given: plain, or as tables are in papers that follow "
        "tcd or vclimb",
    )
    table.add_argument("--rows", metavar="KIND", help="norm, strategy, dataset, protocol or backbone")
    table.add_argument("--cols", metavar="KIND", help="the groups of columns, another one of these")
    table.add_argument("--metrics", help="metrics, separated by commas")
    table.add_argument("--versus", metavar="ROW", help="add paired differences to this row, such as bn")
    table.add_argument(
        "--effect", action="store_true", help="with --versus: the effect size of each difference, Hedges' g over pairs"
    )
    table.add_argument(
        "--published", metavar="FILE", help="add rows of what papers report, such as results/published.csv"
    )
    add_where(table)
    add_names(table, "a norm, a strategy, the dataset or the backbone")
    table.add_argument(
        "--orders",
        action="store_true",
        help="of runs under several orders of the classes, the range over orders, and Kendall's tau of the norms' "
        "ranking between them; rich, markdown or csv",
    )
    table.add_argument(
        "--explain",
        nargs=3,
        metavar=("NORM", "STRATEGY", "METRIC"),
        help="instead of the table, one of its numbers with the runs behind it",
    )
    table.add_argument("--bib", metavar="FILE", help="for latex: cite papers, and write their BibTeX entries to FILE")
    table.set_defaults(verb=_table)


def _table(options: argparse.Namespace) -> None:
    from clnorm.results.load import load_results
    from clnorm.results.selection import select

    earlier = "" if options.bib is None else _read_bibliography(Path(options.bib))
    columns = ["config", "versions", "folder", *(["order"] if options.orders else [])]
    with naming_unreadable() as unreadable:
        loaded = load_results(options.folder, columns=columns, on_unreadable=unreadable.append)
        # When and how far is no part of a setting.
        _show(options, select(loaded.drop(columns=["changed", "done"]), options.where), earlier)


def _show(options: argparse.Namespace, results: "pd.DataFrame", earlier: str) -> None:
    if options.explain is not None:
        from clnorm.tables.provenance import explain_cell

        _refuse_beside(options, "explain", (*_OF_TABLES, "orders", "format", "metrics"))
        print_text(explain_cell(results, *options.explain))
        return
    from clnorm.tables.styles import find_style

    style = find_style(options.style)
    metrics = split_names(options.metrics) if options.metrics is not None else list(style.metrics)
    if options.orders:
        _print_orders(options, results, metrics)
    else:
        axes = (options.rows or style.axes[0], options.cols or style.axes[1])
        _print_table(options, results, metrics, axes=axes, earlier=earlier)


def _print_table(
    options: argparse.Namespace, results: "pd.DataFrame", metrics: list[str], *, axes: tuple[str, str], earlier: str
) -> None:
    from rich.console import Console

    from clnorm.files import replace_file
    from clnorm.results.published import read_published
    from clnorm.tables.make import make_bibliography, make_table
    from clnorm.tables.names import parse_names

    console = Console() if sys.stdout.isatty() else None
    text = make_table(
        results,
        metrics=metrics,
        axes=axes,
        format=options.format,
        versus=options.versus,
        effect=options.effect,
        names=parse_names(options.name, results),
        cite=options.bib is not None,
        published=() if options.published is None else read_published(options.published),
        console=console,
        note=lambda told: print_note(f"note: {told}"),
    )
    if options.bib is not None:
        entries = make_bibliography(results, metrics=metrics, effect=options.effect, earlier=earlier)
        replace_file(Path(options.bib), lambda file: file.write(entries.encode()))
    _note_unheld(results, metrics, options.folder)
    (print_styled if options.format == "rich" else print_text)(text)


def _read_bibliography(file: Path) -> str:
    """The entries of tables made before, which stay; nothing where there is no such file.

    Raises:
        UserError: clnorm has not written it, as a bibliography kept by hand.
    """
    from clnorm.catalogue.reference import OF_TABLES

    content = file.read_bytes() if file.is_file() else b""
    text = content.decode(errors="replace")
    if (text and not text.startswith(f"% {OF_TABLES}\n")) or text.encode() != content:
        hint = r"name another file: \bibliography takes several"
        raise UserError("is not of clnorm table, and is not replaced", where=f"--bib {file}", hint=hint)
    return text


def _note_unheld(results: "pd.DataFrame", metrics: Sequence[str], folder: str) -> None:
    """Say which metrics runs do not hold, and how they get there: records may be older, or a metric a plug-in."""
    finished = results[results["status"] == "finished"]
    count = finished["folder"].nunique()
    for name in metrics:
        own = finished[finished["metric"] == name]
        held = own["folder"].nunique()
        if held and own["value"].isna().all():
            print_note(f"no run has a value of {name}: {_explain_undefined(own, name)}")
        if held < count or not count:
            who = f"{count - held} of {count} finished runs do not hold" if held else "no run holds"
            print_note(f"{who} {name}: compute it from what they keep with clnorm metrics add {name} {folder}")


def _explain_undefined(rows: "pd.DataFrame", name: str) -> str:
    """Why no run has a value, by one run of each strategy; those of one reason together."""
    from clnorm.evaluation.metrics import find_metric
    from clnorm.results.measure import explain_lack

    reasons: dict[str, list[str]] = {}
    for strategy, own in rows.groupby("strategy", sort=False):
        try:
            reason = explain_lack(find_metric(name), Path(own["folder"].iloc[0]))
        except ClnormError as error:
            reason = str(error)
        reasons.setdefault(reason, []).append(str(strategy))
    if len(reasons) == 1:
        return next(iter(reasons))
    return "; ".join(f"of {', '.join(strategies)}, since {reason}" for reason, strategies in reasons.items())


def _refuse_beside(options: argparse.Namespace, flag: str, others: Sequence[str]) -> None:
    for other in others:
        given = getattr(options, other)
        if other in options.given_flags or given is True or (isinstance(given, list) and given):
            raise UserError(f"--{other} does nothing with it", where=f"--{flag}", hint="leave out one of the two")


def _print_orders(options: argparse.Namespace, results: "pd.DataFrame", metrics: list[str]) -> None:
    from clnorm.tables.orders import make_orders_table

    _refuse_beside(options, "orders", _OF_TABLES)
    print_text(make_orders_table(results, metrics=metrics, format=options.format))
