"""The same grid as text for a terminal, a README, a paper, or a program."""

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from clnorm.console import as_text, csv_text
from clnorm.tables.captions import explain_marks, write_caption
from clnorm.tables.dialects import (
    LATEX,
    MARKDOWN,
    PLAIN,
    Dialect,
    write_difference,
    write_heading,
    write_mean,
    write_name,
    write_versus,
)
from clnorm.tables.grid import Cell, Grid

WIDTH = 120
_COLUMN, _PAGE = 237.0, 345.0  # points: a column of two in conferences' styles, and the line of LaTeX's article
_WIDEST = 1.5 * _PAGE


def to_rich(grid: Grid, console: Console | None = None) -> str:
    """A table for the terminal.

    Args:
        grid: the numbers.
        console: the terminal where it will be shown: its width and styles. Without a terminal, plain text as wide as
            the table is.
    """
    table = Table()
    table.add_column(grid.axes[0], overflow="fold")
    for heading in _headings(grid, PLAIN, separator="\n"):
        table.add_column(as_text(*heading.split("\n")), justify="right", overflow="fold")
    for row in grid.rows:
        table.add_row(as_text(write_name(grid, grid.axes[0], row, PLAIN)), *_styled(grid, row))
    if console is None or not console.is_terminal:
        console = Console(file=io.StringIO(), width=WIDTH)
        widest = Measurement.get(console, console.options.update(max_width=sys.maxsize), table).maximum
        console.width = max(WIDTH, widest)
    marked = console.is_terminal and any(cell.mark for cell in grid.cells.values())
    legend = f"Bold best, underlined second within a {grid.axes[1]}{explain_marks(grid, PLAIN)}. " if marked else ""
    with console.capture() as capture:
        console.print(table)
        console.print(as_text(legend + write_caption(grid, PLAIN)))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def to_markdown(grid: Grid) -> str:
    """A table in GitHub's Markdown, with its caption below."""
    rows = [
        [grid.axes[0], *_headings(grid, MARKDOWN, separator=" ")],
        [":--", *("--:" for _ in _headings(grid, MARKDOWN, separator=" "))],
        *([write_name(grid, grid.axes[0], row, MARKDOWN), *_texts(grid, row, MARKDOWN)] for row in grid.rows),
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", write_caption(grid, MARKDOWN)]) + "\n"


def to_latex(grid: Grid) -> str:
    """A floating table for a paper; it needs the package booktabs, and graphicx where it is wide.

    A table wider than a column of two spans both; one wider than a page of one column shrinks to the line; where it
    would shrink to less than two thirds, each metric has a table of its own.
    """
    if _table_width(grid) > _WIDEST and len(grid.metrics) > 1:
        single = [replace(grid, metrics=(metric,)) for metric in grid.metrics]
        return "\n".join(_latex_table(part, suffix=f"-{part.metrics[0].key}") for part in single)
    return _latex_table(grid)


def _latex_cells(grid: Grid) -> list[list[str]]:
    """The cells of the tabular but for the groups, a row each, headings first."""
    kind = grid.axes[0]
    headings = [kind, *list(_group_headings(grid, LATEX)) * len(grid.columns)]
    rows = ([write_name(grid, kind, row, LATEX, cited=True), *_texts(grid, row, LATEX)] for row in grid.rows)
    return [headings, *rows]


def _latex_groups(grid: Grid) -> list[str]:
    return [write_name(grid, grid.axes[1], column, LATEX, cited=True) for column in grid.columns]


def _table_width(grid: Grid) -> float:
    """The estimated width in points, with what a group's name is wider than its columns."""
    cells = _latex_cells(grid)
    width = (len(cells[0]) - 1) // len(grid.columns)
    groups = [[row[1 + width * index : 1 + width * (index + 1)] for row in cells] for index in range(len(grid.columns))]
    names = ([[name]] for name in _latex_groups(grid))
    first = estimate_width([row[:1] for row in cells])
    return first + sum(max(map(estimate_width, pair)) for pair in zip(groups, names, strict=True))


def _latex_table(grid: Grid, *, suffix: str = "") -> str:
    cells = _latex_cells(grid)
    width = len(list(_group_headings(grid, LATEX)))
    count = len(grid.columns)
    groups = [rf"\multicolumn{{{width}}}{{c}}{{{name}}}" for name in _latex_groups(grid)]
    rules = [rf"\cmidrule(lr){{{2 + width * index}-{1 + width * (index + 1)}}}" for index in range(count)]
    rows = [
        " & ".join(["", *groups]).strip() + r" \\",
        " ".join(rules),
        " & ".join(cells[0]) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in cells[1:]),
    ]
    label = re.sub(r"[^a-z0-9]+", "-", "-".join(grid.fixed.values()).lower()).strip("-") + suffix.replace("_", "-")
    points = _table_width(grid)
    table = "table*" if points > _COLUMN else "table"
    fit = points > _PAGE
    lines = [
        rf"% needs \usepackage{{booktabs{',graphicx' if fit else ''}}}; estimated width {points:.0f} pt",
        rf"\begin{{{table}}}",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{write_caption(grid, LATEX)}}}",
        rf"\label{{tab:{label}}}",
        *([r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"] if fit else []),
        rf"\begin{{tabular}}{{l{'r' * width * count}}}",
        r"\toprule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}" + ("}" if fit else ""),
        rf"\end{{{table}}}",
    ]
    return "\n".join(lines) + "\n"


def estimate_width(cells: Sequence[Sequence[str]]) -> float:
    """About the width of a tabular in points: Computer Modern at 9 pt, with 4 pt on both sides of a cell."""
    columns = zip(*cells, strict=True)
    return sum(max(map(_print_width, column)) + 8.0 for column in columns)


def _print_width(cell: str) -> float:
    """A cell's width in points: of digits and letters half an em, of relations and arrows with their spaces more."""
    wide = len(re.findall(r"\\(?:pm|uparrow|downarrow|Delta)\b", cell)) + cell.count("+")
    text = re.sub(r"\\text\w+\{\}", "x", re.sub(r"\\cite\{.*?\}", "[00]", cell).replace("~", " "))
    text = re.sub(r"\\(?:pm|uparrow|downarrow|Delta)\b|\\math\w+|\\underline|\\bar|[${}^+]", "", text).replace("\\", "")
    narrow = sum(text.count(character) for character in ".,: ()[]")
    return 9.0 * (0.55 * (len(text) - narrow) + 0.28 * narrow + 1.15 * wide)


def to_csv(grid: Grid) -> str:
    """One line a cell, at full precision, in the unit that a column says; what an incomplete cell lacks is empty.

    `n` counts the finished seeds that have a value, so that a gap shows what is missing. Names are those of `csv_text`.
    """
    compared = ["difference", "difference_half_width", "p", "p_holm"] if grid.versus else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*grid.axes, "metric", "mean", "half_width", "n", "complete", "unit", *compared])
    for (row, column, metric), cell in grid.cells.items():
        mean, half_width = (cell.interval.mean, cell.interval.half_width) if cell.interval else (None, None)
        numbers = [_number(mean), _number(half_width), len(cell.values), str(cell.complete).lower(), "fraction"]
        names = [grid.names.get(place, place[1]) for place in zip(grid.axes, (row, column), strict=True)]
        writer.writerow([*map(csv_text, (*names, metric)), *numbers, *(_compared(cell) if compared else [])])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None or value != value else repr(value)


def _compared(cell: Cell) -> list[str]:
    found = cell.difference
    values = [found.mean, found.half_width, found.p, cell.p_holm] if found else [None] * 4
    return [_number(value) for value in values]


def _group_headings(grid: Grid, dialect: Dialect) -> Iterator[str]:
    for metric in grid.metrics:
        yield write_heading(metric, dialect)
        if grid.versus is not None:
            yield write_versus(grid, dialect)


def _headings(grid: Grid, dialect: Dialect, *, separator: str) -> list[str]:
    groups = [write_name(grid, grid.axes[1], column, dialect) for column in grid.columns]
    return [f"{group}{separator}{heading}" for group in groups for heading in _group_headings(grid, dialect)]


def _row(grid: Grid, row: str) -> list[Cell]:
    return [grid.cells[row, column, metric.key] for column in grid.columns for metric in grid.metrics]


def _texts(grid: Grid, row: str, dialect: Dialect) -> Iterator[str]:
    for cell in _row(grid, row):
        yield write_mean(cell, dialect)
        if grid.versus is not None:
            yield "" if row == grid.versus else write_difference(cell, dialect)


def _styled(grid: Grid, row: str) -> Iterator[Text]:
    styles = {"best": "bold", "second": "underline", "": ""}
    for cell in _row(grid, row):
        text = as_text(write_mean(cell, PLAIN))
        text.stylize(styles[cell.mark], 0, len(text.plain.partition(" ")[0]))
        yield text
        if grid.versus is not None:
            yield as_text("" if row == grid.versus else write_difference(cell, PLAIN))
