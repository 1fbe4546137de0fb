"""The runs of a folder, a row each: what ran, when, how far, and how it came out."""

import pandas as pd

from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS, find_metric, list_metrics

SHOWN = ("accuracy", "average_incremental_accuracy", "forgetting", "bwt", "learning_accuracy")
"""The metrics that a summary of a run shows."""


def list_runs(df: pd.DataFrame) -> pd.DataFrame:
    """One row for each run, by folder: the columns of the long frame, and each metric as a column of its own.

    Args:
        df: of `load_results`, with the columns of `folder`.
    """
    runs = df.drop_duplicates("folder").set_index("folder").drop(columns=["metric", "value"])
    metrics = df.dropna(subset="metric").pivot_table(index="folder", columns="metric", values="value", dropna=False)
    return runs.join(metrics).sort_index().reset_index()


def sort_runs(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows in the order of a column: of a metric the best first, of anything else the smallest; unknown ones last.

    Raises:
        UserError: there is no such column.
    """
    if column in METRICS and column not in runs.columns:
        return runs  # no run is so far
    if column not in runs.columns:
        raise UserError(f"there is no column {column!r}", where="--sort", legal=map(str, runs.columns), given=column)
    is_metric = column in METRICS or ":" in column or column in list_metrics()
    best_is_high = is_metric and find_metric(column, where="--sort").higher_is_better
    values = pd.to_numeric(runs[column], errors="coerce")
    by = runs[column].astype(str) if values.isna().all() else values
    return runs.loc[by.sort_values(ascending=not best_is_high, kind="stable", na_position="last").index]
