"""The terminal: progress on stderr, a bar on a TTY and a line an epoch elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from clnorm.progress import Reporter


class ConsoleReporter(Reporter):
    """Shows a run's progress on stderr; use it as a context, so that a bar is taken down when a run fails."""

    def __init__(self) -> None:
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
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, title: str, *, total: int, unit: str) -> None:
        self._started, self._done, self._total = time.perf_counter(), 0, total
        if not self._console.is_terminal:
            self.note(f"{title}: {total} {unit}")
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TaskProgressColumn(),
            TextColumn(f"{{task.fields[rate]:.0f}} {unit}/s"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
        )
        self._bar.start()
        self._task = self._bar.add_task(title, total=total, rate=0.0)

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
            self._bar.update(self._task, description=text)
        else:
            left = (self._total - self._done) / max(self._rate(), 1e-9)
            self.note(f"{text}  {self._rate():.1f} clips/s  {left:.0f} s left")

    def finish(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _rate(self) -> float:
        return self._done / max(time.perf_counter() - self._started, 1e-9)
