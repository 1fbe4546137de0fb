"""The terminal: text made harmless, and progress on stderr, a bar on a TTY and a line an epoch elsewhere."""

import re
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from clnorm.progress import Reporter

if TYPE_CHECKING:  # loaded where something is printed with it: help and lists of names do without
    from rich.console import RenderableType
    from rich.live import Live
    from rich.progress import Progress
    from rich.text import Text

# C0, DEL and C1; marks that turn the direction of writing; ends of lines; halves of characters, as names have of bytes
# that are no UTF-8.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ud800-\udfff]")
_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")  # half and full width
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def visible(text: str) -> str:
    """The text with each character that steers a terminal or a page, and is not seen itself, as an escape of Python's.

    Names of files and classes are others' text: an escape code in one could clear the screen or hide a line. Line
    ends are escaped too; apply it to the parts of a text of several lines. Applied twice it is as once.
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def as_text(*lines: str, style: str = "") -> "Text":
    """Lines for rich, made visible: in a str it would read [brackets] as markup, and pass control characters on."""
    from rich.text import Text

    return Text("\n".join(map(visible, lines)), style)


def csv_text(text: str) -> str:
    """A name for a cell of CSV: visible, and behind a quote where a spreadsheet would compute it as a formula.

    It computes what begins with =, +, - or @, also behind a tab or a carriage return, which are escapes here. A plain
    number, such as -3, is shown as what it is, and stays. Source: OWASP, CSV Injection.
    """
    shown = visible(text)
    return f"'{shown}" if _FORMULA.match(shown) and not _NUMBER.fullmatch(shown) else shown


class ConsoleReporter(Reporter):
    """Shows a run's progress on stderr; use it as a context, so that a bar is taken down when a run fails."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._started, self._done, self._total = 0.0, 0, 0

    def __enter__(self) -> "ConsoleReporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def note(self, text: str) -> None:
        self._console.print(as_text(text), highlight=False, soft_wrap=True)

    def start(self, title: str, *, total: int, unit: str) -> None:
        self._started, self._done, self._total = time.perf_counter(), 0, total
        if not self._console.is_terminal:
            self.note(f"{title}: {total} {unit}")
            return
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=10),
            TaskProgressColumn(),
            TextColumn(f"{{task.fields[rate]:.0f}} {unit}/s"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
        )
        self._bar.start()
        self._task = self._bar.add_task(visible(title), total=total, rate=0.0)

    def advance(self, count: int) -> None:
        self._done += count
        if self._bar:
            self._bar.update(self._task, advance=count, rate=self._rate())

    def skip(self, count: int) -> None:
        self._total -= count
        if self._bar:
            self._bar.update(self._task, total=self._total)

    def epoch(self, text: str) -> None:
        if self._bar:
            self._bar.update(self._task, description=visible(text))
        elif rate := self._rate():
            self.note(f"{text}  {rate:.1f} clips/s  {(self._total - self._done) / rate:.0f} s left")
        else:  # nothing of this epoch had to be done
            self.note(text)

    def finish(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _rate(self) -> float:
        return self._done / max(time.perf_counter() - self._started, 1e-9)


class LiveView:
    """Shows one thing that changes: in place on a terminal, and elsewhere a line whenever it changes. A context.

    Args:
        stream: where.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream)
        self._live: Live | None = None
        self._last = ""

    def __enter__(self) -> "LiveView":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, view: "RenderableType", line: str) -> None:
        """Show what it is now: `view` on a terminal, `line` elsewhere."""
        if self._console.is_terminal:
            if self._live is None:
                from rich.live import Live

                self._live = Live(console=self._console, auto_refresh=False)
                self._live.start()
            self._live.update(view, refresh=True)
        elif line != self._last:
            self._console.print(as_text(line), highlight=False, soft_wrap=True)
            self._last = line
