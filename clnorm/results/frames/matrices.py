"""The accuracy matrices of all runs under a folder, as one long table."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.results.frames.finished import OnUnreadable, read_finished
from clnorm.results.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd


def load_matrices(folder: str | Path, *, on_unreadable: OnUnreadable = None) -> "pd.DataFrame":
    """One row for each accuracy that a finished run under a folder has.

    Args:
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.

    Returns:
        The columns of `load_results` with those of its group `config`, but for metric and value; instead `after`, the
        experience that was learned last, and `on`, the one that is tested, both counted from 1, `accuracy` (0 to 1) and
        `clips`, how many it is of. Joint training is tested after the last experience alone.

    Raises:
        UserError, ClnormError: as `read_finished`.
    """
    import pandas as pd

    runs = read_finished(folder, on_unreadable=on_unreadable)
    return pd.DataFrame([{**shared, **entry} for _, record, shared in runs for entry in list_accuracies(record)])


def list_accuracies(record: RunRecord) -> Iterator[dict[str, Any]]:
    """The rows of one finished run, without what all of its rows share."""
    last, clips = len(record.experiences), record.data["test_clips"]
    at_once = len(record.matrix) < last
    for step, row in enumerate(record.matrix, start=1):
        for tested, value in enumerate(row, start=1):
            if value is not None and not math.isnan(value):
                after = last if at_once else step
                yield {"after": after, "on": tested, "accuracy": value, "clips": clips[tested - 1]}
