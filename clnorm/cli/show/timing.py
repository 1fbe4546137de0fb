"""What `clnorm time` prints."""

from rich.box import SIMPLE
from rich.table import Table

from clnorm.cli.output import rich_stdout
from clnorm.console import as_text
from clnorm.execution.timing import Timing


def print_timing(timing: Timing) -> None:
    """A table of the ways on stdout, the first one that others are compared with, then the keys of the best."""
    title = f"a training step of {timing.clips} clips through {timing.blocks} blocks, on {timing.device}"
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("way")
    table.add_column("ms", justify="right")
    table.add_column(f"over {timing.ways[0].label}", justify="right")
    for way in timing.ways:
        seconds, ratio = timing.seconds[way.label], timing.ratio(way)
        shown = ["cannot be compiled", ""] if seconds is None else [f"{1e3 * seconds:.1f}", f"{ratio or 0:.2f}"]
        table.add_row(way.label, *shown)
    keys = " ".join(f"--set {setting}" for setting in timing.settings)
    with rich_stdout() as console:
        console.print(as_text(title), soft_wrap=True)
        console.print(table)
        console.print(as_text(f"{timing.best.label}: {keys}"), soft_wrap=True)
