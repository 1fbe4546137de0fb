"""What `clnorm runs`, `clnorm show` and `clnorm compare` print."""

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clnorm.cli.show.run import render_summary
from clnorm.results.inspect import Comparison, RunView
from clnorm.results.selection import plain_text

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = ("accuracy", "average_incremental_accuracy", "forgetting")
_MOST = 5  # kinds of confusion shown


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(300, console.width)  # a pipe: no name of a folder is folded
    return console


def print_runs(results: "pd.DataFrame") -> None:
    """One row for each run, with its main metrics in per cent and its time, then how many there are."""
    console, table = _console(), Table()
    for heading in ("folder", "dataset", "norm", "strategy", "seed", "status", "ACC", "A-bar", "F", "minutes"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("ACC", "A-bar", "F") else "left")
    runs = results.groupby("folder", sort=True)
    for folder, rows in runs:
        first, values = rows.iloc[0], dict(zip(rows["metric"], rows["value"], strict=True))
        seconds = first.get("cost.seconds")
        minutes = f"{seconds / 60:.1f}" if isinstance(seconds, int | float) else "--"
        told = [first[name] for name in ("dataset", "norm", "strategy", "seed", "status")]
        shown = [str(folder), *map(str, told), *(_percent(values.get(name)) for name in _SHOWN), minutes]
        table.add_row(*map(Text, shown))
    console.print(table)
    finished = results.drop_duplicates("folder")["status"].eq("finished").sum()
    console.print(Text(f"{len(runs)} runs, {finished} finished; look at one with: clnorm show FOLDER"))


def print_run(view: RunView) -> None:
    """The summary of a run, the accuracy on each class, what is mistaken for what, and the changed keys."""
    console = _console()
    if view.record.status == "finished":
        console.print(render_summary(view.record, path=str(view.folder / "record.json")), soft_wrap=True)
    else:
        console.print(
            Text(f"not finished: the same command goes on with it; clnorm run --config {view.folder}/config.yaml")
        )
    if view.classes is not None and view.confusion is not None:
        table = Table(title="classes, after the last step", title_justify="left")
        for heading in ("class", "experience", "clips", "%", "taken for"):
            table.add_column(heading, overflow="fold", justify="left" if heading in ("class", "taken for") else "right")
        for row in view.classes.to_dict("records"):
            wrong = view.confusion.loc[row["class"]].drop(row["class"])
            wrong = wrong[wrong > 0].sort_values(ascending=False, kind="stable")[:_MOST]
            taken = ", ".join(f"{name} {count}" for name, count in wrong.items())
            shown = [row["class"], row["experience"], row["clips"], _percent(row["accuracy"]), taken]
            table.add_row(*(Text(str(cell)) for cell in shown))
        console.print(table)
    console.print(_pairs("keys that differ from the defaults", ("key", "value", "default"), view.changed))


def print_comparison(comparison: Comparison) -> None:
    """The keys in which two runs differ, then each metric of both in per cent with the difference."""
    console, first, second = _console(), comparison.first.run, comparison.second.run
    console.print(_pairs("keys in which they differ", ("key", first, second), comparison.keys))
    table = Table(title="metrics in %", title_justify="left")
    for heading in ("metric", first, second, "second - first"):
        table.add_column(Text(heading), overflow="fold", justify="left" if heading == "metric" else "right")
    for name, (a, b) in comparison.metrics.items():
        change = "--" if a is None or b is None else f"{100 * (b - a):+.1f}"
        table.add_row(Text(name), _percent(a), _percent(b), change)
    console.print(table)


def _pairs(title: str, headings: tuple[str, str, str], pairs: dict[str, tuple[Any, Any]]) -> Table | Text:
    if not pairs:
        return Text(f"{title}: none")
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(Text(heading), overflow="fold")
    for key, values in pairs.items():
        table.add_row(*(Text(plain_text(value)) for value in (key, *values)))
    return table


def _percent(value: float | None) -> str:
    return "--" if value is None or math.isnan(value) else f"{100 * value:.1f}"
