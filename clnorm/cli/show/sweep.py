"""The state of a sweep on the terminal."""

from types import TracebackType
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from clnorm.launch.status import STATES, CellStatus, SweepStatus

_STYLES = {"finished": "green", "running": "bold", "stopped": "yellow", "failed": "red", "waiting": "dim"}
_ROWS = 20  # of cells that a live view shows


class LiveStatus:
    """Shows a status in place on a terminal, and elsewhere a line whenever a cell changes its state; a context.

    Args:
        stream: where.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._live: Live | None = None
        self._last = ""

    def __enter__(self) -> "LiveStatus":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, status: SweepStatus) -> None:
        """Show what it is now."""
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(console=self._console, auto_refresh=False)
                self._live.start()
            self._live.update(_render(status), refresh=True)
        elif (text := _summary(status, with_time=False)) != self._last:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
            self._last = text


def describe_status(status: SweepStatus) -> str:
    """The status as lines of text, all cells of it."""
    lines = [_summary(status), *(f"  {cell.state:<9} {cell.name}{_detail(cell)}" for cell in status.cells)]
    return "\n".join(lines)


def _render(status: SweepStatus) -> RenderableType:
    """What is at work and what failed first, then the next ones; finished ones are counted alone."""
    order = ("failed", "running", "stopped", "waiting")
    shown = sorted((cell for cell in status.cells if cell.state in order), key=lambda cell: order.index(cell.state))
    table = Table.grid(padding=(0, 2))
    for cell in shown[:_ROWS]:
        row = (cell.state, cell.name, _detail(cell).strip())
        table.add_row(*(Text(text, style=_STYLES[cell.state]) for text in row))
    more = [Text(f"and {len(shown) - _ROWS} more", style="dim")] if len(shown) > _ROWS else []
    return Group(Text(_summary(status)), table, *more)


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
