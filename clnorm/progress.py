"""What a run tells while it goes on; the console's reporter extends this silent one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Reporter:
    """Receives the events of a run and does nothing with them."""

    def note(self, text: str) -> None:
        """One line that the user should read."""

    def start(self, title: str, *, total: int, unit: str) -> None:
        """A long step begins; `total` units of it are to come."""

    def advance(self, count: int) -> None:
        """`count` more units are done."""

    def skip(self, count: int) -> None:
        """`count` units need not be done."""

    def epoch(self, text: str) -> None:
        """An epoch is over; one line on it."""

    def finish(self) -> None:
        """The long step is over."""


@contextmanager
def count_steps(reporter: Reporter, title: str) -> Iterator[Callable[[int, int], None]]:
    """A callback `(done, total)` that opens the reporter's step when work really begins."""
    done = 0

    def progress(count: int, total: int) -> None:
        nonlocal done
        if not done:
            reporter.start(title, total=total, unit="clips")
        reporter.advance(count - done)
        done = count

    yield progress
    if done:
        reporter.finish()
