"""Which class was taken for which in the end, of all runs under a folder, as one long table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clnorm.results.frames.finished import OnLacking, OnUnreadable, read_keeping
from clnorm.results.inspect import Confusion, count_predictions

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
        pairs = list_pairs(count_predictions(path / PREDICTIONS_FILE, record))
        rows.append(pd.DataFrame(pairs).assign(**shared))
    return pd.concat(rows, ignore_index=True)


def list_pairs(confusion: Confusion) -> "dict[str, npt.NDArray[Any]]":
    """The columns of the rows of one run, without what all of its rows share."""
    height, width = confusion.counts.shape
    return {
        "class": np.repeat(np.array(confusion.classes, dtype=object), width),
        "predicted": np.tile(np.array(confusion.predicted, dtype=object), height),
        "place": np.repeat(np.arange(height), width),
        "taken": np.tile(np.arange(width), height),
        "experience": np.repeat(confusion.experiences, width),
        "clips": confusion.counts.ravel(),
    }
