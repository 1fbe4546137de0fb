"""How far a sweep is: the state of each cell, from its results folder alone, on any machine that sees it."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clnorm.errors import ClnormError, UserError
from clnorm.launch.manifest import FOLDER, read_rows
from clnorm.launch.notes import Failures, Sign, read_signs
from clnorm.results.folder import RunFolder

STATES = ("finished", "running", "stopped", "failed", "waiting")
_SILENT = 60.0  # seconds without a sign, after which a worker is taken to be gone


@dataclass(frozen=True)
class CellStatus:
    """A cell as it stands.

    Args:
        name: by what it differs from the others.
        run: the name of its folder.
        state: one of `STATES`; `stopped` is begun, and nobody is at it.
        doing: the long step that its worker is in.
        share: of that step that is done, 0 to 1.
        seconds: that it took, where it is finished, or for which it has been running.
        what: the error, where it failed.
    """

    name: str
    run: str
    state: str
    doing: str = ""
    share: float = 0.0
    seconds: float | None = None
    what: str = ""


@dataclass(frozen=True)
class SweepStatus:
    """A sweep as it stands.

    Args:
        folder: of its results.
        cells: in the order in which they were planned.
        workers: how many are there, those that wait for another's run or for another try included.
    """

    folder: str
    cells: list[CellStatus]
    workers: int

    def count(self, state: str) -> int:
        return sum(cell.state == state for cell in self.cells)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do or to wait for; while a worker is there, failed cells may be tried again."""
        return not self.workers and all(cell.state in ("finished", "failed") for cell in self.cells)

    @property
    def seconds_left(self) -> float | None:
        """By the mean time of the finished cells and the workers there are; None without either."""
        took = [cell.seconds for cell in self.cells if cell.state == "finished" and cell.seconds is not None]
        if not took or not self.workers:
            return None
        mean = sum(took) / len(took)
        running = sum(max(mean - (cell.seconds or 0.0), 0.0) for cell in self.cells if cell.state == "running")
        return (running + mean * (self.count("waiting") + self.count("stopped"))) / self.workers

    def to_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        counts = {state: self.count(state) for state in STATES}
        cells = [asdict(cell) for cell in self.cells]
        return {
            "folder": self.folder,
            "workers": self.workers,
            "seconds_left": self.seconds_left,
            **counts,
            "cells": cells,
        }


class Watch:
    """Looks at the sweep given last in a folder, and at others in it that have workers; a finished run is read once.

    Args:
        folder: the results folder of a sweep.

    Raises:
        UserError: no sweep was started in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder, self._finished = Path(folder).expanduser(), dict[str, float]()
        self._names: dict[Path, dict[str, str]] = {}  # by manifest, whose content decides its name
        if not list((self._folder / FOLDER).glob("*.json")):
            hint = "give the --out of a sweep; single runs are shown by clnorm runs"
            raise UserError("no sweep was started here", where=str(folder), hint=hint)

    def look(self) -> SweepStatus:
        """The status now.

        Raises:
            ClnormError: a manifest is damaged.
        """
        files = sorted((self._folder / FOLDER).glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in files:
            if file not in self._names:
                self._names[file] = {row["run"]: row["name"] for row in read_rows(file)}
        now = time.time()
        signs = [sign for sign in read_signs(self._folder) if now - sign.when < _SILENT]
        alive = {sign.run: sign for sign in signs}
        shown = [file for file in files if file == files[-1] or alive.keys() & self._names[file].keys()]
        names = {run: name for file in shown for run, name in self._names[file].items()}
        cells = [self._look_at(name, run, alive.get(run)) for run, name in names.items()]
        return SweepStatus(str(self._folder), cells, len(signs))

    def _look_at(self, name: str, run: str, sign: Sign | None) -> CellStatus:
        if run not in self._finished:
            try:
                record = RunFolder(self._folder / run).load()
            except ClnormError as error:
                return CellStatus(name, run, "failed", what=str(error))
            if record is not None and record.status == "finished":
                self._finished[run] = record.cost["seconds"]
        if run in self._finished:
            return CellStatus(name, run, "finished", seconds=self._finished[run])
        if sign is not None:
            share = sign.done / sign.total if sign.total else 0.0
            return CellStatus(name, run, "running", sign.text or sign.doing, share, seconds=time.time() - sign.began)
        if failure := Failures(self._folder).find(run):
            return CellStatus(name, run, "failed", what=failure.what)
        return CellStatus(name, run, "stopped" if record is not None else "waiting")
