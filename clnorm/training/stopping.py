"""Stopping a run between two steps: SIGINT and SIGTERM wait until its state is kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from clnorm.errors import ClnormError
from clnorm.progress import Reporter

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNALS = tuple(each.name for each in _SIGNALS)


class StoppedError(ClnormError):
    """The process was asked to stop, and the run's state is kept: exit code 75, as a batch system's for `try again`."""

    exit_code = 75


class StopRequest:
    """Whether the process was asked to stop, and by what.

    Attributes:
        name: of the signal, or empty.
    """

    name = ""


@contextmanager
def wait_for_signals(reporter: Reporter, *, shared: bool = False) -> Iterator[StopRequest]:
    """Within it SIGINT and SIGTERM only leave a request; a second one does what it did before.

    Where several processes share the run, a second one is left, too: who starts them passes signals on that each has
    already, and ends them by itself when they take long.

    In another thread than the main one, where Python handles no signals, no request ever comes.

    Args:
        reporter: told of the request.
        shared: whether the process is one of several.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def receive(number: int, frame: FrameType | None) -> None:
        request.name = request.name or signal.Signals(number).name
        if not shared:
            restore()
        again = "" if shared else "; again: at once"
        reporter.note(f"{request.name}: stopping when this step is done and the state is kept{again}.")

    for number in _SIGNALS:
        signal.signal(number, receive)
    try:
        yield request
    finally:
        restore()
