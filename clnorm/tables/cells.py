"""The texts of a table's cells, headings and rows in one dialect, for every format that has rows and columns."""

from collections.abc import Iterator

from clnorm.tables.cell import Cell
from clnorm.tables.dialects import (
    Dialect,
    list_compared,
    write_compared,
    write_heading,
    write_mean,
    write_name,
    write_reported,
)
from clnorm.tables.grid import Grid


def list_rows(grid: Grid, dialect: Dialect, *, cited: bool = False) -> list[list[str]]:
    """Each row with its name, then its cells; reported rows come last."""
    own = [
        [write_name(grid, grid.axes[0], row, dialect, cited=cited), *write_cells(grid, row, dialect)]
        for row in grid.rows
    ]
    return own + [list(_write_reported_row(grid, name, dialect)) for name in grid.reported_rows]


def write_cells(grid: Grid, row: str, dialect: Dialect) -> Iterator[str]:
    """The cells of a row, with its differences where the table has some."""
    for cell in row_of(grid, row):
        yield write_mean(cell, dialect)
        yield from write_compared(grid, row, cell, dialect)


def row_of(grid: Grid, row: str) -> list[Cell]:
    return [grid.cells[row, column, metric.key] for column in grid.columns for metric in grid.metrics]


def list_groups(grid: Grid, dialect: Dialect, *, cited: bool = False) -> list[str]:
    """The heads of the column groups."""
    return [write_name(grid, grid.axes[1], column, dialect, cited=cited) for column in grid.columns]


def list_headings(grid: Grid, dialect: Dialect) -> list[str]:
    """The heads of the columns within a group."""
    headings = []
    for metric in grid.metrics:
        headings += [write_heading(metric, dialect), *list_compared(grid, dialect)]
    return headings


def _write_reported_row(grid: Grid, name: tuple[str, str], dialect: Dialect) -> Iterator[str]:
    method, kind = name
    yield dialect.escape(f"{method} ({kind})")
    for column in grid.columns:
        for metric in grid.metrics:
            yield write_reported(grid.reported.get((name, column, metric.key)), dialect)
            yield from ("" for _ in list_compared(grid, dialect))
