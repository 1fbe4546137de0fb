"""The finished runs under a folder, as all tables of what they keep begin."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clnorm.errors import ClnormError, UserError
from clnorm.results.load import describe_record, read_records, widen
from clnorm.results.record import RunRecord

OnUnreadable = Callable[[ClnormError], None] | None
OnLacking = Callable[[Path], None] | None


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


def read_keeping(
    name: str, folder: str | Path, *, on_unreadable: OnUnreadable, on_lacking: OnLacking, hint: str
) -> Iterator[tuple[Path, RunRecord, dict[str, Any]]]:
    """As `read_finished`, the runs that keep a file.

    Args:
        name: of the file.
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.
        on_lacking: told the folder of each finished run without the file, which is left out.
        hint: how runs get the file.

    Raises:
        UserError: no run keeps it; or as `read_finished`.
        ClnormError: as `read_finished`.
    """
    found = False
    for path, record, shared in read_finished(folder, on_unreadable=on_unreadable):
        if (path / name).is_file():
            found = True
            yield path, record, shared
        elif on_lacking is not None:
            on_lacking(path)
    if not found:
        raise UserError(f"no finished run keeps {name}", where=str(folder), hint=hint)
