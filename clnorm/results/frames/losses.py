"""The training losses of all runs under a folder, as one long table."""

from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.errors import UserError
from clnorm.results.folder import RunFolder
from clnorm.results.frames.finished import OnUnreadable, read_finished

if TYPE_CHECKING:
    import pandas as pd


def load_losses(folder: str | Path, *, on_unreadable: OnUnreadable = None) -> "pd.DataFrame":
    """One row for each epoch of the finished runs that keep `log.jsonl`.

    Args:
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.

    Returns:
        The columns of `load_results` with those of its group `config`, but for metric and value; instead `experience`
        and `epoch`, both from 1, `passed`, how many epochs the run has behind it then, `loss`, a mean over the clips of
        the epoch, and `clips_per_second`.

    Raises:
        UserError: no run keeps a log; or as `read_finished`.
        ClnormError: as `read_finished`.
    """
    import pandas as pd

    rows = []
    for path, _, shared in read_finished(folder, on_unreadable=on_unreadable):
        epochs = [line for line in RunFolder(path).read_log() if "epoch" in line]  # others tell of a head made anew
        for passed, line in enumerate(epochs, start=1):
            told = {"experience": line["experience"] + 1, "epoch": line["epoch"], "passed": passed}
            rows.append({**shared, **told, "loss": line["loss"], "clips_per_second": line["clips_per_second"]})
    if not rows:
        raise UserError("no finished run keeps log.jsonl", where=str(folder), hint="run them again")
    return pd.DataFrame(rows)
