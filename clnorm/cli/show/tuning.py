"""What a search found: the best values of each norm and strategy, and where they lie in what was searched."""

from typing import Any

from rich.table import Table

from clnorm.catalogue.titles import write_plain
from clnorm.cli.output import rich_stdout
from clnorm.config.tuned import Tuning
from clnorm.console import as_text
from clnorm.evaluation.metrics import METRICS
from clnorm.results.percent import percent


def print_tuning(tuning: Tuning, *, path: str) -> None:
    """The result on stdout."""
    metric = METRICS[tuning.metric]
    shown = Table(title=as_text(f"best of {tuning.trials} trials on the first experiences", style="table.title"))
    for column in ("norm", "strategy", *tuning.search, f"{metric.title} in %", "trial", "failed"):
        shown.add_column(as_text(column), justify="left" if column in ("norm", "strategy") else "right")
    for cell in tuning.cells:
        values = [_write_value(cell, key) for key in tuning.search]
        found = [percent(cell["value"]), str(cell["trial"]), str(cell["failed"] or "")]
        shown.add_row(*map(as_text, [cell["norm"], cell["strategy"], *values, *found]))
    with rich_stdout(width=100) as console:
        console.print(shown)
        if any(cell["edges"] for cell in tuning.cells):
            text = "lowest, highest: of all that were tried, so that the search may be too narrow there"
            console.print(as_text(text), soft_wrap=True)
        console.print(as_text(f"to take them: clnorm sweep GRID.yaml --tuned {path}"), soft_wrap=True)


def _write_value(cell: dict[str, Any], key: str) -> str:
    """A best value, with a word where it lies at the edge; nothing for an option of other strategies."""
    if key not in cell["values"]:
        return ""
    value = write_plain(cell["values"][key])
    return f"{value} ({cell['edges'][key]})" if key in cell["edges"] else value
