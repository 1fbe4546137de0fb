"""Which class was taken for which in the end, of all runs under a folder, as one long table."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clnorm.results.frames.finished import OnLacking, OnUnreadable, read_keeping
from clnorm.results.inspect import count_classes

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS_FILE = "predictions.parquet"
"""The name of the predictions in a run's folder."""


def load_confusion(
    folder: str | Path, *, on_unreadable: OnUnreadable = None, on_lacking: OnLacking = None
) -> "pd.DataFrame":
    """One row for each pair of classes of each finished run that keeps predictions, after its last step.

    Args:
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.
        on_lacking: as of `read_keeping`.

    Returns:
        The columns of `load_results` with those of its group `config`, but for metric and value; instead `class` and
        `predicted`, names, `place` and `taken`, their places from 0 in the order in which the run learned them,
        `experience` of the class, from 1, and `clips`, how many of the class were predicted as that.

    Raises:
        UserError: as `read_keeping`.
        ClnormError: a file is damaged; or as `read_keeping`.
    """
    import pandas as pd

    rows, hint = [], "run them again"
    for path, record, shared in read_keeping(
        PREDICTIONS_FILE, folder, on_unreadable=on_unreadable, on_lacking=on_lacking, hint=hint
    ):
        rows.append(list_pairs(*count_classes(path / PREDICTIONS_FILE, record)).assign(**shared))
    return pd.concat(rows, ignore_index=True)


def list_pairs(classes: "pd.DataFrame", confusion: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of one run, without what all of its rows share.

    Args:
        classes: as of a `RunView`.
        confusion: as of a `RunView`.
    """
    import pandas as pd

    height, width = confusion.shape
    return pd.DataFrame(
        {
            "class": np.repeat(confusion.index.to_numpy(), width),
            "predicted": np.tile(confusion.columns.to_numpy(), height),
            "place": np.repeat(np.arange(height), width),
            "taken": np.tile(np.arange(width), height),
            "experience": np.repeat(classes["experience"].to_numpy(), width),
            "clips": confusion.to_numpy().ravel(),
        }
    )
