"""Stopping a run between two steps: SIGINT and SIGTERM wait until its state is kept."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

from clnorm.errors import ClnormError
from clnorm.progress import Reporter

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SAME = 1.0  # seconds in which a SIGTERM that comes again is the same: sent to all of a job, and passed on by its shell
SIGNALS = tuple(each.name for each in _SIGNALS)


class StoppedError(ClnormError):
    """The process was asked to stop, and the run's state is kept: exit code 75, as a batch system's for `try again`."""

    exit_code = 75

    def __init__(self, what: str, *, hint: str = "give the same command again, which goes on from here") -> None:
        super().__init__(what, hint=hint)


class StopRequest:
    """Whether the process was asked to stop, and by what.

    Attributes:
        name: of the signal, or empty.
    """

    name = ""


_REMEMBERED: ContextVar[StopRequest | None] = ContextVar("remembered", default=None)


@contextmanager
def remember_request() -> Iterator[StopRequest]:
    """Within it, what was asked for in `wait_for_signals` is still known when that has ended: a run that was asked to
    stop after its last step is finished, and the next one does not begin.
    """
    token = _REMEMBERED.set(request := StopRequest())
    try:
        yield request
    finally:
        _REMEMBERED.reset(token)


@contextmanager
def wait_for_signals(reporter: Reporter, *, shared: bool = False) -> Iterator[StopRequest]:
    """Within it SIGINT and SIGTERM only leave a request; a second one does what it did before.

    A batch system may send SIGTERM to a job's script and to what the script runs, and then it comes twice at once.

    Where several processes share the run, a second one is left, too: who starts them passes signals on that each has
    already, and ends them by itself when they take long.

    In another thread than the main one, where Python handles no signals, no request ever comes.

    Args:
        reporter: told of the request.
        shared: whether the process is one of several.
    """
    request = _REMEMBERED.get() or StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before, first = {number: signal.getsignal(number) for number in _SIGNALS}, 0.0

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def receive(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if request.name == "SIGTERM" and number == signal.SIGTERM and time.monotonic() - first < _SAME:
            return
        if request.name and shared:
            return
        if request.name:
            restore()
            signal.raise_signal(number)
            return
        request.name, first = signal.Signals(number).name, time.monotonic()
        again = "" if shared else "; again: at once"
        reporter.note(f"{request.name}: stopping when this step is done and the state is kept{again}.")

    for number in _SIGNALS:
        signal.signal(number, receive)
    try:
        yield request
    finally:
        restore()
