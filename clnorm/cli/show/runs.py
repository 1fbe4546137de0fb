"""What `clnorm runs`, `clnorm show` and `clnorm compare` print."""

import math
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from clnorm.cli.output import rich_stdout
from clnorm.cli.show.run import render_summary
from clnorm.console import as_text
from clnorm.results.inspect import Comparison, RunView
from clnorm.results.percent import percent
from clnorm.results.selection import plain_text

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = {"accuracy": "ACC", "average_incremental_accuracy": "A-bar", "forgetting": "F"}
_MEASURES = {
    "dormant": "dormant",
    "duplicate": "duplicate",
    "effective_rank": "effective rank",
    "stable_rank": "stable rank",
    "weight_norm": "weight norm",
    "gradient_norm": "gradient norm",
    "effective_rate": "effective rate",
    "drift_probe": "drift, inputs",
    "drift_running": "drift, running",
}
_MOST = 5  # kinds of confusion shown
_WIDTH = 300  # of a pipe: no name of a folder is folded


def print_runs(runs: "pd.DataFrame") -> None:
    """One row for each run, with when it last changed, how far it is, its main metrics in per cent and its time."""
    table = Table()
    for heading in ("folder", "dataset", "norm", "strategy", "seed", "changed", "status", *_SHOWN.values(), "minutes"):
        table.add_column(heading, overflow="fold", justify="right" if heading in _SHOWN.values() else "left")
    for run in runs.to_dict("records"):
        seconds, experiences = run.get("cost.seconds"), str(run["experiences"]).count(",") + 1
        minutes = f"{seconds / 60:.1f}" if isinstance(seconds, int | float) else "--"
        told = [run[name] for name in ("folder", "dataset", "norm", "strategy", "seed", "changed")]
        status = run["status"] if run["status"] == "finished" else f"{run['done']} of {experiences} experiences"
        shown = [*told, status, *(_percent(run.get(name)) for name in _SHOWN), minutes]
        table.add_row(*(as_text(str(text)) for text in shown))
    finished = runs["status"].eq("finished").sum()
    with rich_stdout(width=_WIDTH) as console:
        console.print(table)
        counted = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
        console.print(f"{counted}, {finished} finished; look at one with: clnorm show FOLDER")


def print_run(view: RunView) -> None:
    """The summary of a run, the accuracy on each class, what is mistaken for what, and the changed keys."""
    with rich_stdout(width=_WIDTH) as console:
        if view.record.status == "finished":
            console.print(render_summary(view.record, path=str(view.folder / "record.json")), soft_wrap=True)
        else:
            again = f"clnorm run --config {view.folder}/config.yaml"
            console.print(as_text(f"not finished: the same command goes on with it; {again}"))
        if view.classes is not None and view.confusion is not None:
            console.print(_classes(view.classes, view.confusion))
        if view.plasticity is not None:
            console.print(_plasticity(view.plasticity))
        console.print(_pairs("keys that differ from the defaults", ("key", "value", "default"), view.changed))


def _classes(classes: "pd.DataFrame", confusion: "pd.DataFrame") -> Table:
    table = Table(title="classes, after the last step", title_justify="left")
    for heading in ("class", "experience", "clips", "%", "taken for"):
        table.add_column(heading, overflow="fold", justify="left" if heading in ("class", "taken for") else "right")
    for row in classes.to_dict("records"):
        wrong = confusion.loc[row["class"]].drop(row["class"])
        wrong = wrong[wrong > 0].sort_values(ascending=False, kind="stable")[:_MOST]
        taken = ", ".join(f"{name} {count}" for name, count in wrong.items())
        shown = [row["class"], row["experience"], row["clips"], _percent(row["accuracy"]), taken]
        table.add_row(*(as_text(str(cell)) for cell in shown))
    return table


def _plasticity(measures: "pd.DataFrame") -> Table:
    """A row for each site, in the order of the forward pass: each measure after the first experience and the last."""
    first, last = (measures[measures["after"] == step] for step in (measures["after"].min(), measures["after"].max()))
    title = f"norm sites after experience {first['after'].iloc[0] + 1} -> {last['after'].iloc[0] + 1}"
    table = Table(title=title, title_justify="left")
    for heading in ("site", "units", *_MEASURES.values()):
        table.add_column(heading, overflow="fold", justify="left" if heading == "site" else "right")
    for before, after in zip(first.to_dict("records"), last.to_dict("records"), strict=True):
        shown = [f"{_short(before[name])} -> {_short(after[name])}" for name in _MEASURES]
        table.add_row(*(as_text(str(cell)) for cell in (after["site"], after["channels"], *shown)))
    return table


def _short(value: float) -> str:
    return "--" if math.isnan(value) else f"{value:.3g}"


def print_comparison(comparison: Comparison) -> None:
    """The two runs, the keys in which they differ, then each metric that one has, in per cent with the difference."""
    table = Table(title="metrics in %", title_justify="left")
    for heading in ("metric", "first", "second", "second - first"):
        table.add_column(as_text(heading), overflow="fold", justify="left" if heading == "metric" else "right")
    for name, (a, b) in comparison.metrics.items():
        if a is None and b is None:
            continue
        change = "--" if a is None or b is None else f"{100 * (b - a):+.1f}"
        table.add_row(as_text(name), _percent(a), _percent(b), change)
    with rich_stdout(width=_WIDTH) as console:
        for place, record in (("first", comparison.first), ("second", comparison.second)):
            console.print(as_text(f"{place}: {record.run}"), soft_wrap=True)
        console.print(_pairs("keys in which they differ", ("key", "first", "second"), comparison.keys))
        console.print(table)


def _pairs(title: str, headings: tuple[str, str, str], pairs: dict[str, tuple[Any, Any]]) -> Table | Text:
    if not pairs:
        return as_text(f"{title}: none")
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(as_text(heading), overflow="fold")
    for key, values in pairs.items():
        table.add_row(*(as_text(plain_text(value)) for value in (key, *values)))
    return table


def _percent(value: float | None) -> str:
    return "--" if value is None or math.isnan(value) else percent(value)
