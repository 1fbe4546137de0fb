"""What workers tell of themselves in the results folder: the cell that each is at, and the cells that failed."""

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clnorm.errors import ClnormError
from clnorm.files import replace_file
from clnorm.launch.manifest import FOLDER, locked
from clnorm.progress import Reporter
from clnorm.reading import read_json

_WORKERS, _FAILURES = "workers", "failures"
_EVERY = 2.0  # seconds between two signs of life


@dataclass(frozen=True)
class Failure:
    """Why a cell is not finished.

    Args:
        attempts: how often it was tried.
        what: the error of the last time.
        is_mistake: whether it is the user's, so that another try would not help.
    """

    attempts: int
    what: str
    is_mistake: bool

    def is_final(self, retries: int) -> bool:
        """Whether the cell is not tried again where a failed one is, `retries` times."""
        return self.is_mistake or self.attempts > retries


class Failures:
    """The failed cells of a results folder, by the name of their run.

    Args:
        out: the results folder.
    """

    def __init__(self, out: str | Path) -> None:
        self._folder = Path(out).expanduser() / FOLDER / _FAILURES

    def add(self, run: str, what: str, *, is_mistake: bool) -> Failure:
        """Count one more failure of a run."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._folder.parent):
            before = self.find(run)
            failure = Failure(1 + (before.attempts if before else 0), what, is_mistake)
            replace_file(self._folder / f"{run}.json", lambda file: file.write(json.dumps(asdict(failure)).encode()))
        return failure

    def find(self, run: str) -> Failure | None:
        """The failure of a run, or None."""
        failure: Failure | None = _read(self._folder / f"{run}.json", Failure)
        return failure

    def forget(self, run: str) -> None:
        """Begin counting anew."""
        (self._folder / f"{run}.json").unlink(missing_ok=True)


@dataclass(frozen=True)
class Sign:
    """What a worker last told of itself.

    Args:
        worker: its host and process.
        run: that it is at, or empty.
        doing: the long step that it is in, such as `training`.
        done: units of that step.
        total: all units of it.
        text: on the last epoch.
        began: when it began with the run, in seconds since 1970.
        when: this was told.
    """

    worker: str
    run: str = ""
    doing: str = ""
    done: int = 0
    total: int = 0
    text: str = ""
    began: float = 0.0
    when: float = 0.0


def read_signs(out: str | Path) -> list[Sign]:
    """What the workers of a results folder last told, those that were killed included."""
    files = sorted((Path(out).expanduser() / FOLDER / _WORKERS).glob("*.json"))
    return [sign for file in files if (sign := _read(file, Sign)) is not None]


def forget_worker(out: str | Path, worker: str) -> None:
    """Remove what a worker that was killed left of itself."""
    (Path(out).expanduser() / FOLDER / _WORKERS / f"{worker}.json").unlink(missing_ok=True)


class Telling(Reporter):
    """Passes a run's events on, and leaves a sign of life every few seconds; a context.

    Args:
        out: the results folder.
        reporter: that the events go to.
    """

    def __init__(self, out: str | Path, reporter: Reporter) -> None:
        self._reporter, worker = reporter, f"{socket.gethostname()}-{os.getpid()}"
        self._file = Path(out).expanduser() / FOLDER / _WORKERS / f"{worker}.json"
        self._sign, self._told = {**asdict(Sign(worker))}, 0.0

    def __enter__(self) -> "Telling":
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._tell()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.unlink(missing_ok=True)

    def begin(self, run: str) -> None:
        """The worker is at a run from here on; at none where it is empty."""
        self._tell(run=run, doing="", done=0, total=0, text="", began=time.time())

    def note(self, text: str) -> None:
        self._reporter.note(text)

    def start(self, title: str, *, total: int, unit: str) -> None:
        self._tell(doing=title, done=0, total=total)
        self._reporter.start(title, total=total, unit=unit)

    def advance(self, count: int) -> None:
        self._sign["done"] += count
        if time.monotonic() - self._told > _EVERY:
            self._tell()
        self._reporter.advance(count)

    def skip(self, count: int) -> None:
        self._sign["total"] -= count
        self._reporter.skip(count)

    def epoch(self, text: str) -> None:
        self._tell(text=text)
        self._reporter.epoch(text)

    def finish(self) -> None:
        self._reporter.finish()

    def _tell(self, **values: Any) -> None:
        self._sign |= {**values, "when": time.time()}
        self._told = time.monotonic()
        with suppress(ClnormError):  # a run does not fail because nobody can watch it
            replace_file(self._file, lambda file: file.write(json.dumps(self._sign).encode()))


def _read(file: Path, kind: type) -> Any:
    """What stands in a note; None where there is none, or where it is of another version."""
    try:
        return kind(**read_json(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
