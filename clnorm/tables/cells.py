"""The texts of a table's cells, headings and rows in one dialect, for every format that has rows and columns."""

from collections.abc import Iterator

from clnorm.tables.dialects import (
    Dialect,
    write_difference,
    write_heading,
    write_mean,
    write_name,
    write_reported,
    write_versus,
)
from clnorm.tables.grid import Cell, Grid


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
        if grid.versus is not None:
            yield "" if row == grid.versus else write_difference(cell, dialect)


def row_of(grid: Grid, row: str) -> list[Cell]:
    return [grid.cells[row, column, metric.key] for column in grid.columns for metric in grid.metrics]


def list_groups(grid: Grid, dialect: Dialect, *, cited: bool = False) -> list[str]:
    """The heads of the column groups."""
    return [write_name(grid, grid.axes[1], column, dialect, cited=cited) for column in grid.columns]


def list_headings(grid: Grid, dialect: Dialect) -> list[str]:
    """The heads of the columns within a group."""
    headings = []
    for metric in grid.metrics:
        headings.append(write_heading(metric, dialect))
        if grid.versus is not None:
            headings.append(write_versus(grid, dialect))
    return headings


def _write_reported_row(grid: Grid, name: tuple[str, str], dialect: Dialect) -> Iterator[str]:
    method, kind = name
    yield dialect.escape(f"{method} ({kind})")
    for column in grid.columns:
        for metric in grid.metrics:
            yield write_reported(grid.reported.get((name, column, metric.key)), dialect)
            if grid.versus is not None:
                yield ""
