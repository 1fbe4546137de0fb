"""The accuracy matrices of all runs under a folder, as one long table, for figures and for one's own questions."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.errors import ClnormError, UserError
from clnorm.results.load import describe_record, read_records, widen
from clnorm.results.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd


def load_matrices(folder: str | Path, *, on_unreadable: Callable[[ClnormError], None] | None = None) -> "pd.DataFrame":
    """One row for each accuracy that a finished run under a folder has.

    Args:
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.

    Returns:
        The columns of `load_results` with those of its group `config`, but for metric and value; instead `after`, the
        experience that was learned last, and `on`, the one that is tested, both counted from 1, `accuracy` (0 to 1) and
        `clips`, how many it is of. Joint training is tested after the last experience alone.

    Raises:
        UserError: there is no such folder, or no finished run in it.
        ClnormError: a record is damaged, or none can be read.
    """
    import pandas as pd

    read = read_records(Path(folder), on_unreadable)
    rows = [
        {**shared, **entry}
        for file, record in read
        if record.status == "finished"
        for shared in [{**describe_record(record), **widen(record, file, ["config"])}]
        for entry in _entries(record)
    ]
    if not rows:
        raise UserError("holds no finished run", where=str(folder), hint=f"go on with them: clnorm runs {folder}")
    return pd.DataFrame(rows)


def _entries(record: RunRecord) -> Iterator[dict[str, Any]]:
    last, clips = len(record.experiences), record.data["test_clips"]
    at_once = len(record.matrix) < last
    for step, row in enumerate(record.matrix, start=1):
        for tested, value in enumerate(row, start=1):
            if value is not None and not math.isnan(value):
                after = last if at_once else step
                yield {"after": after, "on": tested, "accuracy": value, "clips": clips[tested - 1]}
