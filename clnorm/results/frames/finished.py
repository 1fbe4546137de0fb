"""The finished runs under a folder, as all tables of what they keep begin."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clnorm.errors import ClnormError, UserError
from clnorm.results.load import describe_record, read_records, widen
from clnorm.results.record import RunRecord

OnUnreadable = Callable[[ClnormError], None] | None


def read_finished(
    folder: str | Path, *, on_unreadable: OnUnreadable = None
) -> Iterator[tuple[Path, RunRecord, dict[str, Any]]]:
    """Each finished run's folder, its record, and what stands in each of its rows, the configuration's keys included.

    Args:
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.

    Raises:
        UserError: there is no such folder, or no finished run in it.
        ClnormError: a record is damaged, or none can be read.
    """
    found = False
    for file, record in read_records(Path(folder), on_unreadable):
        if record.status == "finished":
            found = True
            yield file.parent, record, {**describe_record(record), **widen(record, file, ["config"])}
    if not found:
        raise UserError("holds no finished run", where=str(folder), hint=f"go on with them: clnorm runs {folder}")
