"""A run's folder that tells a logger what is written into it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.config.config import Config
from clnorm.config.identity import list_values
from clnorm.errors import ClnormError, UserError
from clnorm.evaluation.matrix import UNTRAINED
from clnorm.loggers.logger import Logger, Stream
from clnorm.loggers.numbers import count_epochs, numbers_of_line, numbers_of_tests
from clnorm.loggers.sent import SENT_FILE, Sent
from clnorm.progress import Reporter
from clnorm.results.folder import RunFolder
from clnorm.results.kept import numbers, read_matrices
from clnorm.results.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd


class LoggedFolder(RunFolder):
    """A run's folder whose log, accuracies and metrics go to a logger, too, each number once.

    What a logger raises once it has begun is told once, and ends the logging; the run goes on as without it.

    Args:
        path: of the folder.
        config: of the run, which names the logger.
        reporter: told where the run is logged, and of what goes wrong.

    Raises:
        UserError: the logger's package is not installed, or a plug-in is no logger.
        ClnormError: what the folder keeps of the logging is damaged.
    """

    def __init__(self, path: Path, config: Config, reporter: Reporter) -> None:
        super().__init__(path)
        values, self._reporter = list_values(config), reporter
        self._name, self._epochs = config.log.short, count_epochs(values)
        self._is_joint = config.strategy.name == "joint"
        self._sent = Sent(path / SENT_FILE, to=config.log.name)
        self._logger: Logger = config.log.build(Stream(self._sent.stream, path.absolute(), values))
        if not isinstance(self._logger, Logger):
            what = f"{config.log.name!r} has made a {type(self._logger).__name__}, and must make a Logger"
            raise UserError(what, where="log", hint="derive it from clnorm.loggers.logger.Logger")

    @contextmanager
    def followed(self, record: RunRecord) -> Iterator[None]:
        """Begin to log, with what the folder holds already of a run that goes on; in the end close the logger.

        Args:
            record: of the run that begins or goes on.

        Raises:
            ClnormError: the logger cannot begin.
        """
        self._record = record
        try:
            with redirect_stdout(sys.stderr):  # stdout is for what the command was asked for
                place = self._logger.open()
        except Exception as error:
            what = f"cannot begin ({type(error).__name__}: {error})"
            hint = "mend that, or give --set log=none; log.jsonl is written anyway"
            raise ClnormError(what, where=f"log {self._name}", hint=hint) from error
        if place:
            self._reporter.note(f"Logged to {self._name}; to see it: {place}")
        self._tell(self._catch_up)
        try:
            yield
        finally:
            self._tell(lambda: self._logger.close())

    def log(self, record: dict[str, Any]) -> None:
        super().log(record)
        self._tell(lambda: self._send_line(record))

    def save_predictions(self, after: int, predictions: "pd.DataFrame") -> None:
        super().save_predictions(after, predictions)
        if after != UNTRAINED:
            self._tell(lambda: self._send_tests(after))

    def write_results(self, record: RunRecord, predictions: "pd.DataFrame") -> None:
        super().write_results(record, predictions)
        metrics = {name: value for name, value in record.metrics.items() if value is not None}
        self._tell(lambda: self._logger.finish(metrics))

    def _catch_up(self) -> None:
        """Send what the folder holds: all of it to a new stream, what a kill has kept from it to an old one."""
        for line in self.read_log():
            self._send_line(line)
        for after in range(self.count_done()):
            self._send_tests(after)

    def _send_line(self, line: dict[str, Any]) -> None:
        self._send(*numbers_of_line(line, epochs=self._epochs))

    def _send_tests(self, after: int) -> None:
        matrix = numbers(read_matrices(self.load_predictions(range(after + 1)), self._record)["matrix"])
        seen = len(self._record.experiences) if self._is_joint else after + 1
        found = numbers_of_tests(matrix, self._record.data["test_clips"], seen=seen)
        self._send((after + 1) * self._epochs, found)

    def _send(self, step: int, values: dict[str, float]) -> None:
        """Log what was not logged before: a run that goes on computes again what came after its last state."""
        if new := {name: value for name, value in values.items() if not self._sent.has(name, step)}:
            self._logger.log(new, step=step)
            self._sent.add(new, step)

    def _tell(self, call: Callable[[], None]) -> None:
        """Call the logger, unless it is the silent one; where it fails, the silent one takes its place."""
        if type(self._logger) is Logger:
            return
        try:
            with redirect_stdout(sys.stderr):
                call()
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the run
            self._logger, reason = Logger(self._logger.stream), f"{type(error).__name__}: {error}"
            with suppress(ClnormError, OSError):  # the note says it anyway
                self._sent.fail(reason)
            self._reporter.note(
                f"Logging to {self._name} failed ({reason}) and ends, while the run goes on; {SENT_FILE} in its folder "
                "says so, and log.jsonl has everything."
            )
