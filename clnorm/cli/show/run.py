"""What a run shows when it ends: the accuracy matrix as a heat table, the metrics with their definitions, the cost."""

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clnorm.cli.output import rich_stdout
from clnorm.console import as_text
from clnorm.evaluation.metrics import METRICS
from clnorm.results.overview import SHOWN
from clnorm.results.percent import percent
from clnorm.results.record import NOTES, RunRecord, label_norm


def render_summary(record: RunRecord, *, path: str) -> Group:
    """The summary of a finished run, for `rich.console.Console.print`."""
    notes = [as_text(f"{record.label}: {NOTES[record.label]}")] if record.label else []
    return Group(_matrix(record), *notes, _metrics(record), _cost(record), as_text(f"record: {path}"))


def print_summary(record: RunRecord, *, path: str) -> None:
    """The summary on stdout."""
    # In a pipe as wide as the matrix needs, and wide enough for the definitions.
    with rich_stdout(width=max(120, 10 + 10 * len(record.experiences))) as console:
        console.print(render_summary(record, path=path), soft_wrap=True)


def _matrix(record: RunRecord) -> Table:
    names = record.names
    norm = label_norm(names["norm"], record.label)
    title = f"{norm} x {names['strategy']} on {names['dataset']}, {names['protocol']}, seed {record.seed}"
    told = "accuracy in % on each experience (columns) after training (rows)"
    table = Table(title=as_text(title, told, style="table.title"))
    table.add_column("after", justify="right")
    for index, clips in enumerate(record.data["test_clips"]):
        table.add_column(f"{index + 1}\nn={clips}", justify="right", no_wrap=True, min_width=5)
    for index, row in enumerate(record.matrix):
        step = "all" if len(record.matrix) < len(row) else str(index + 1)
        table.add_row(step, *[_cell(value) for value in row])
    return table


def _cell(value: float | None) -> Text:
    """A number on a background from red (0) over yellow to green (1)."""
    if value is None:
        return as_text()
    red, green = min(1.0, 2 - 2 * value), min(1.0, 2 * value)
    style = f"black on #{round(80 + 175 * red):02x}{round(80 + 175 * green):02x}50"
    return as_text(f" {100 * value:5.1f} ", style=style)


def _metrics(record: RunRecord) -> Table:
    table = Table(title="metrics")
    table.add_column("metric")
    table.add_column("%", justify="right")
    table.add_column("definition")
    for name in SHOWN:
        value, metric = record.metrics.get(name), METRICS[name]
        shown = "--" if value is None else percent(value)
        table.add_row(metric.title, shown, escape(f"{metric.formula} ({metric.source})"))
    return table


def _cost(record: RunRecord) -> Text:
    cost, memory = record.cost, record.memory
    parts = [
        f"time: {cost['seconds']:.0f} s",
        f"clips trained: {cost['clips_trained']:,}",
        f"peak memory: {cost['peak_memory_mb']:,.0f} MB",
    ]
    if memory.get("clips"):
        parts.append(f"replay memory: {memory['clips']} clips, {memory['frames']} frames, {memory['megabytes']:.1f} MB")
    if memory.get("kept_megabytes"):
        parts.append(f"kept beside the model: {memory['kept_megabytes']:.2f} MB")
    if untold := memory.get("untold"):
        parts.append(f"kept beside the model: unknown, {', '.join(untold)} does not tell")
    return as_text("  ".join(parts))
