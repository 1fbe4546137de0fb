"""The runs of a leaderboard: those whose numbers follow from their predictions, and those that do not count."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clnorm.errors import ClnormError
from clnorm.leaderboard.settings import describe_setting, list_keys
from clnorm.results.record import RunRecord, label_norm
from clnorm.submission.check import Check, find_faults, list_records, open_run
from clnorm.submission.findings import State
from clnorm.submission.of_numbers import check_matrix, check_metrics
from clnorm.submission.of_record import check_id, check_label, check_names
from clnorm.submission.submitted import SubmittedRun

SHOWN = ("accuracy", "average_incremental_accuracy", "forgetting")
"""The metrics of a board; the first one ranks."""


def _check_told(run: SubmittedRun) -> Iterator[ClnormError]:
    """A page can be made of what the record says of its setting: a value of an unforeseen kind fails here."""
    describe_setting(run.record)
    list_keys(run.record)
    yield from ()


_CHECKS: Mapping[str, Check[SubmittedRun]] = {
    "names": check_names,
    "id": check_id,
    "label": check_label,
    "setting": _check_told,
    "matrix": check_matrix,
    "metrics": partial(check_metrics, names=SHOWN),
}
_NUMBERS = ("matrix", "metrics")  # of which nothing may be left unchecked


@dataclass(frozen=True)
class Entry:
    """A run that counts.

    Args:
        place: of its folder below the records.
        record: its record.
        values: each of `SHOWN` as its predictions give it; NaN where it is undefined.
        unchecked: what of the record could not be checked, and why; empty where all could.
    """

    place: str
    record: RunRecord
    values: Mapping[str, float]
    unchecked: str = ""

    @property
    def norm(self) -> str:
        """The norm's name, with its label where it has one."""
        return label_norm(self.record.names["norm"], self.record.label)

    @property
    def strategy(self) -> str:
        """The strategy's name."""
        return self.record.names["strategy"]


@dataclass(frozen=True)
class LeftOut:
    """A run that does not count, where it lies, and why."""

    place: str
    reason: str


def read_entries(folder: str | Path) -> tuple[list[Entry], list[LeftOut]]:
    """The runs below a folder, by their place: those that count, and the others, each with the reason.

    A run counts where its names, id and label follow from its configuration, and its matrix and `SHOWN` metrics, to
    the last bit, from its predictions. Nothing that it names is imported.

    Raises:
        UserError: there is no such folder, or no run in it.
    """
    root = Path(folder)
    files, problems = list_records(root)
    entries, left_out = list[Entry](), [_leave_out(root, error) for error in problems]
    for file in files:
        place = file.parent.relative_to(root).as_posix()
        try:
            entries.append(_read_entry(file, place))
        except ClnormError as error:
            left_out.append(LeftOut(place, _tell(error, file.parent)))
    counted, doubled = _part_doubles(entries)
    return counted, sorted([*left_out, *doubled], key=lambda each: each.place)


def _read_entry(file: Path, place: str) -> Entry:
    """A run that counts.

    Raises:
        ClnormError: it does not; the first reason.
    """
    run = open_run(file)
    found = list(find_faults(_CHECKS, run))
    for finding in found:
        if finding.state is State.WRONG or finding.check in _NUMBERS:
            raise finding.error
    values = {name: run.measure(name)[0] for name in SHOWN}
    unchecked = dict.fromkeys(f"{finding.check}: {finding.error.what}" for finding in found)
    return Entry(place, run.record, values, "; ".join(unchecked))


def _part_doubles(entries: Sequence[Entry]) -> tuple[list[Entry], list[LeftOut]]:
    """One run for each setting, strategy, norm and seed, the first by its place; and the others."""
    first: dict[tuple[str, str, str, int], Entry] = {}
    doubled = list[LeftOut]()
    for entry in entries:
        key = entry.record.setting, entry.strategy, entry.norm, entry.record.seed
        if (other := first.setdefault(key, entry)) is not entry:
            doubled.append(LeftOut(entry.place, f"the same norm, strategy and seed stand already in {other.place}"))
    return list(first.values()), doubled


def _leave_out(root: Path, error: ClnormError) -> LeftOut:
    where = Path(str(error.where))
    place = where.relative_to(root).as_posix() if where.is_relative_to(root) else str(where)
    return LeftOut(place, error.what)


def _tell(error: ClnormError, folder: Path) -> str:
    """The error in words that are the same wherever the records lie."""
    where = "" if error.where is None else error.where.replace(f"{folder}/", "")
    what = error.what.replace(f"{folder}/", "")
    return f"{where}: {what}" if where and where != str(folder) else what


def is_defined(value: float) -> bool:
    """Whether a metric has a value."""
    return not math.isnan(value)
