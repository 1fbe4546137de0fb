"""Which class was taken for which in the end, of all runs under a folder, as one long table."""

from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.results.frames.finished import OnLacking, OnUnreadable, read_keeping
from clnorm.results.inspect import count_classes

if TYPE_CHECKING:
    import pandas as pd

_FILE = "predictions.parquet"


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
        _FILE, folder, on_unreadable=on_unreadable, on_lacking=on_lacking, hint=hint
    ):
        classes, counts = count_classes(path / _FILE, record)
        experiences = dict(zip(classes["class"], classes["experience"], strict=True))
        rows += [
            {
                **shared,
                "class": str(name),
                "predicted": str(other),
                "place": place,
                "taken": taken,
                "experience": experiences[name],
                "clips": int(count),
            }
            for place, (name, row) in enumerate(counts.iterrows())
            for taken, (other, count) in enumerate(row.items())
        ]
    return pd.DataFrame(rows)
