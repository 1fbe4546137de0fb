"""The training losses of all runs under a folder, as one long table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.errors import ClnormError
from clnorm.reading import check_types
from clnorm.results.folder import RunFolder
from clnorm.results.frames.finished import OnLacking, OnUnreadable, read_keeping

if TYPE_CHECKING:
    import pandas as pd

LOG_FILE = "log.jsonl"


def load_losses(
    folder: str | Path, *, on_unreadable: OnUnreadable = None, on_lacking: OnLacking = None
) -> "pd.DataFrame":
    """One row for each epoch of the finished runs that keep `log.jsonl`.

    Args:
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.
        on_lacking: as of `read_keeping`.

    Returns:
        The columns of `load_results` with those of its group `config`, but for metric and value; instead `experience`
        and `epoch`, both from 1, `passed`, how many epochs the run has behind it then, and `loss`, a mean over the
        clips of the epoch.

    Raises:
        UserError: as `read_keeping`.
        ClnormError: a file is damaged; or as `read_keeping`.
    """
    import pandas as pd

    rows, hint = [], "run them again"
    for path, _, shared in read_keeping(
        LOG_FILE, folder, on_unreadable=on_unreadable, on_lacking=on_lacking, hint=hint
    ):
        rows += [{**shared, **epoch} for epoch in list_epochs(path)]
    return pd.DataFrame(rows)


def list_epochs(folder: Path) -> list[dict[str, Any]]:
    """The rows of the run in a folder, without what all of its rows share; none where it keeps no log.

    Raises:
        ClnormError: the log is damaged.
    """
    epochs = [line for line in RunFolder(folder).read_log() if "epoch" in line]  # others tell of a head made anew
    try:
        for line in epochs:
            check_types({"loss": line["loss"], "epoch": line["epoch"]}, {"loss": float, "epoch": int})
    except (ValueError, KeyError, TypeError) as error:
        hint = "delete it to leave this run out"
        raise ClnormError(f"is damaged ({error})", where=str(folder / LOG_FILE), hint=hint) from error
    return [
        {"experience": line["experience"] + 1, "epoch": line["epoch"], "passed": passed, "loss": line["loss"]}
        for passed, line in enumerate(epochs, start=1)
    ]
