"""What `clnorm explain` prints."""

from collections.abc import Iterable

import numpy as np
from rich.table import Table

from clnorm.cli.output import rich_stdout
from clnorm.console import as_text
from clnorm.results.explanation import MEANING, PARTS, Explanation
from clnorm.results.percent import percent

_COLUMNS = ("best", "final", "forgetting", *PARTS)
_WIDTH = 120  # of a pipe


def print_explanations(explanations: Iterable[Explanation]) -> None:
    """Of each run the parts by old experience and in the mean, in points of accuracy, and what they mean, once."""
    with rich_stdout(width=_WIDTH) as console:
        for explanation in explanations:
            console.print(_parts(explanation))
            for note in explanation.notes():
                console.print(as_text(note), soft_wrap=True)
        console.print(as_text(MEANING), soft_wrap=True)


def _parts(explanation: Explanation) -> Table:
    table = Table(title=as_text(f"{explanation.run}: points of accuracy", style="table.title"))
    for heading in ("experience", *_COLUMNS):
        table.add_column(heading, justify="right", no_wrap=True)
    columns = [getattr(explanation, name) for name in _COLUMNS]
    for index, values in enumerate(zip(*columns, strict=True)):
        table.add_row(str(index + 1), *map(percent, values))
    table.add_section()
    table.add_row("mean", *(percent(float(np.mean(column))) for column in columns))
    return table
