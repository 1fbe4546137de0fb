"""The same grid as text for a terminal, a README, or a program."""

import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from clnorm.console import as_text, csv_text
from clnorm.tables.captions import explain_marks, write_caption
from clnorm.tables.cell import Cell
from clnorm.tables.cells import list_groups, list_headings, list_rows, row_of
from clnorm.tables.dialects import MARKDOWN, PLAIN, write_compared, write_mean, write_name
from clnorm.tables.grid import Grid

WIDTH = 120


def to_rich(grid: Grid, console: Console | None = None) -> str:
    """A table for the terminal.

    Args:
        grid: the numbers.
        console: the terminal where it will be shown: its width and styles. What is wider goes on below, by column
            groups. Without a terminal, plain text as wide as the table is.
    """
    if console is None or not console.is_terminal:
        console = Console(file=io.StringIO(), width=WIDTH)
        console.width = max(WIDTH, _measure(_draw(grid), console))
    marked = console.is_terminal and any(cell.mark for cell in grid.cells.values())
    legend = f"Bold best, underlined second within a {grid.axes[1]}{explain_marks(grid, PLAIN)}. " if marked else ""
    with console.capture() as capture:
        for part in _split(grid, console):
            console.print(_draw(part))
        console.print(as_text(legend + write_caption(grid, PLAIN)))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def _draw(grid: Grid) -> Table:
    table = Table()
    table.add_column(grid.axes[0], overflow="fold")
    for group in list_groups(grid, PLAIN):
        for heading in list_headings(grid, PLAIN):
            table.add_column(as_text(group, heading), justify="right", overflow="fold")
    for row in grid.rows:
        table.add_row(as_text(write_name(grid, grid.axes[0], row, PLAIN)), *_styled(grid, row))
    for reported in list_rows(grid, PLAIN)[len(grid.rows) :]:
        table.add_row(*map(as_text, reported))
    return table


def _measure(table: Table, console: Console) -> int:
    """The width at which nothing of a table is broken."""
    return Measurement.get(console, console.options.update(max_width=sys.maxsize), table).maximum


def _split(grid: Grid, console: Console) -> list[Grid]:
    """The grid in parts of some column groups each, as many as fit; one group at least, however wide it is."""
    parts: list[Grid] = []
    for column in grid.columns:
        longer = replace(grid, columns=(*(parts[-1].columns if parts else ()), column))
        if parts and _measure(_draw(longer), console) <= console.width:
            parts[-1] = longer
        else:
            parts.append(replace(grid, columns=(column,)))
    return parts


def to_markdown(grid: Grid) -> str:
    """A table in GitHub's Markdown, with its caption below."""
    pairs = [(group, heading) for group in list_groups(grid, MARKDOWN) for heading in list_headings(grid, MARKDOWN)]
    headings = [grid.axes[0], *(f"{group} {heading}" for group, heading in pairs)]
    rows = [headings, [":--", *("--:" for _ in pairs)], *list_rows(grid, MARKDOWN)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", write_caption(grid, MARKDOWN)]) + "\n"


def to_csv(grid: Grid) -> str:
    """One line a cell, at full precision, in the unit that a column says; what an incomplete cell lacks is empty.

    `n` counts the finished seeds that have a value, so that a gap shows what is missing. Names are those of `csv_text`.
    What papers report comes last, with its source in a column of its own.
    """
    sources = ["reported"] if grid.reported else []
    compared = ["difference", "difference_half_width", "p", "p_holm"] if grid.versus else []
    compared += ["hedges_g"] if grid.effect else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*grid.axes, "metric", "mean", "half_width", "n", "complete", "unit", *compared, *sources])
    for (row, column, metric), cell in grid.cells.items():
        mean, half_width = (cell.interval.mean, cell.interval.half_width) if cell.interval else (None, None)
        numbers = [_number(mean), _number(half_width), len(cell.values), str(cell.complete).lower(), "fraction"]
        names = [grid.names.get(place, place[1]) for place in zip(grid.axes, (row, column), strict=True)]
        rest = [*_compared(cell)[: len(compared)], *("" for _ in sources)]
        writer.writerow([*map(csv_text, (*names, metric)), *numbers, *rest])
    for ((method, known), column, metric), each in grid.reported.items():
        numbers = [_number(each.value), "", "", "", "fraction", *("" for _ in compared)]
        writer.writerow([*map(csv_text, (method, column, metric)), *numbers, csv_text(f"{known}: {each.source}")])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None or value != value else repr(value)


def _compared(cell: Cell) -> list[str]:
    found = cell.difference
    values = [found.mean, found.half_width, found.p, cell.p_holm, cell.effect] if found else [None] * 5
    return [_number(value) for value in values]


def _styled(grid: Grid, row: str) -> Iterator[Text]:
    styles = {"best": "bold", "second": "underline", "": ""}
    for cell in row_of(grid, row):
        text = as_text(write_mean(cell, PLAIN))
        text.stylize(styles[cell.mark], 0, len(text.plain.partition(" ")[0]))
        yield text
        yield from map(as_text, write_compared(grid, row, cell, PLAIN))
