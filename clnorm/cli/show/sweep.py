"""The state of a sweep on the terminal."""

from rich.console import Group, RenderableType
from rich.table import Table

from clnorm.console import LiveView, as_text
from clnorm.launch.status import STATES, CellStatus, SweepStatus

_STYLES = {"finished": "green", "running": "bold", "stopped": "yellow", "failed": "red", "waiting": "dim"}
_ROWS = 20  # of cells that a live view shows


def show_status(view: LiveView, status: SweepStatus) -> None:
    """Show a status: what is at work and what failed first, then the next cells; finished ones are counted alone."""
    view.show(_render(status), _summary(status, with_time=False))


def describe_status(status: SweepStatus) -> str:
    """The status as lines of text, all cells of it."""
    lines = [_summary(status), *(f"  {cell.state:<9} {cell.name}{_detail(cell)}" for cell in status.cells)]
    return "\n".join(lines)


def _render(status: SweepStatus) -> RenderableType:
    order = ("failed", "running", "stopped", "waiting")
    shown = sorted((cell for cell in status.cells if cell.state in order), key=lambda cell: order.index(cell.state))
    table = Table.grid(padding=(0, 2))
    for cell in shown[:_ROWS]:
        row = (cell.state, cell.name, _detail(cell).strip())
        table.add_row(*(as_text(text, style=_STYLES[cell.state]) for text in row))
    more = [as_text(f"and {len(shown) - _ROWS} more", style="dim")] if len(shown) > _ROWS else []
    return Group(as_text(_summary(status)), table, *more)


def _summary(status: SweepStatus, *, with_time: bool = True) -> str:
    counts = ", ".join(f"{status.count(state)} {state}" for state in STATES if status.count(state))
    left = f"; {_duration(status.seconds_left)} left" if with_time and status.seconds_left is not None else ""
    return f"{status.folder}: {len(status.cells)} runs: {counts}; {status.workers} at work{left}"


def _detail(cell: CellStatus) -> str:
    if cell.state == "running":
        return f"  {cell.share:.0%} {cell.doing}, for {_duration(cell.seconds or 0)}"
    if cell.state == "finished" and cell.seconds is not None:
        return f"  {_duration(cell.seconds)}"
    return f"  {cell.what}" if cell.what else ""


def _duration(seconds: float) -> str:
    """Such as `12 s`, `3 min` or `2.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
