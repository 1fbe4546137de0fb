"""What a table is made of, for a comment in it."""

from clnorm.console import visible
from clnorm.tables.grid import Grid


def list_origin(grid: Grid) -> list[str]:
    """Lines with the runs of a table, and the versions that they were made with as far as they tell."""
    made = f" made with {'; '.join(map(visible, grid.versions))}" if grid.versions else ""
    count = f"{len(grid.runs)} run{'s' * (len(grid.runs) != 1)}"
    return [f"Of {count}{made}:", *(f"  {visible(run)}" for run in grid.runs)]
