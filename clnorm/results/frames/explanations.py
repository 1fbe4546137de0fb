"""Where the forgetting of all runs under a folder lives, as one long table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.results.explanation import EXPLANATION_FILE, PARTS, Explanation, read_explanation
from clnorm.results.frames.finished import OnLacking, OnUnreadable, read_keeping

if TYPE_CHECKING:
    import pandas as pd


def load_explanations(
    folder: str | Path, *, on_unreadable: OnUnreadable = None, on_lacking: OnLacking = None
) -> "pd.DataFrame":
    """One row for each part of the forgetting of each old experience of the finished runs that were explained.

    Args:
        folder: where the folders of runs lie, at any depth.
        on_unreadable: as of `load_results`.
        on_lacking: as of `read_keeping`.

    Returns:
        The columns of `load_results` with those of its group `config`, but for metric and value; instead `on`, the old
        experience, counted from 1, `part`, which is statistics, head or features, and `value` of it (-1 to 1); the
        three sum to the forgetting of the experience.

    Raises:
        UserError: as `read_keeping`.
        ClnormError: a file is damaged; or as `read_keeping`.
    """
    import pandas as pd

    rows, hint = [], "make it with: clnorm explain RUN"
    for path, _, shared in read_keeping(
        EXPLANATION_FILE, folder, on_unreadable=on_unreadable, on_lacking=on_lacking, hint=hint
    ):
        if (found := read_explanation(path)) is not None:
            rows += [{**shared, **part} for part in list_parts(found)]
    return pd.DataFrame(rows)


def list_parts(explanation: Explanation) -> list[dict[str, Any]]:
    """The rows of one run, without what all of its rows share."""
    return [
        {"on": tested, "part": part, "value": value}
        for part in PARTS
        for tested, value in enumerate(getattr(explanation, part), start=1)
    ]
