"""A sweep's plan: which run each cell is, which of them are finished, and in what order the others are best done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clnorm.config.config import Config
from clnorm.config.identity import NOT_IDENTITY, list_values
from clnorm.data.open import read_table
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError
from clnorm.experiment import find_folder
from clnorm.launch.grid import name_cells
from clnorm.progress import Reporter
from clnorm.results.folder import RunFolder
from clnorm.results.record import RunRecord

_VARIES = {*NOT_IDENTITY, "strategy", "protocol"}  # what cells that begin alike may differ in


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Args:
        name: by what it differs from the others, such as `norm=bn seed=1`.
        run: the name of its folder.
        config: what to run.
    """

    name: str
    run: str
    config: Config

    @property
    def folder(self) -> RunFolder:
        return RunFolder(Path(self.config.out).expanduser() / self.run)

    @property
    def is_finished(self) -> bool:
        """Whether its record says so.

        Raises:
            ClnormError: the record is damaged.
        """
        record = self.folder.load()
        return record is not None and record.status == "finished"


@dataclass(frozen=True)
class Plan:
    """The cells of a sweep.

    Args:
        cells: those that begin alike one after the other, in the order of the first of them.
        runs: the run of each configuration, in the order in which these were given.
    """

    cells: list[Cell]
    runs: list[str]

    @property
    def records(self) -> list[RunRecord]:
        """Of each configuration, in their order.

        Raises:
            ClnormError: one is not there or not finished, or is damaged.
        """
        folders = {cell.run: cell.folder for cell in self.cells}
        return [_load(folders[run]) for run in self.runs]

    @property
    def finished_records(self) -> list[RunRecord]:
        """As `records`, of the runs that are finished."""
        loaded = [cell.folder.load() for cell in self.cells]
        found = {record.run: record for record in loaded if record is not None and record.status == "finished"}
        return [found[run] for run in self.runs if run in found]


def plan_sweep(configs: Sequence[Config], *, reporter: Reporter) -> Plan:
    """Plan a sweep.

    The first cell of a group leaves the training that the next ones take over (see `save.prefixes`). Cells that are the
    same run, such as of two lists that overlap, are one. The clips of a dataset are made where they do not exist yet,
    and its lists are read once.

    Args:
        configs: of all cells, checked.
        reporter: told where clips are made.

    Raises:
        UserError: data that cannot be used.
    """
    runs: list[str] = []
    tables: dict[tuple[str, str | None], ClipTable] = {}
    groups: dict[tuple[object, ...], dict[str, Cell]] = {}
    for name, config in zip(name_cells(configs), configs, strict=True):
        key = (str(config.dataset), config.data.root)
        if key not in tables:
            tables[key] = read_table(config, reporter)
        run = find_folder(config, tables[key]).path.name
        runs.append(run)
        beginning = (key, *((name, value) for name, value in list_values(config).items() if name not in _VARIES))
        groups.setdefault(beginning, {}).setdefault(run, Cell(name, run, config))
    return Plan([cell for group in groups.values() for cell in group.values()], runs)


def _load(folder: RunFolder) -> RunRecord:
    record = folder.load()
    if record is None or record.status != "finished":
        raise ClnormError("is not finished, or is gone since it was", where=str(folder.path))
    return record
