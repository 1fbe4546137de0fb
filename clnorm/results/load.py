"""All runs under a folder, as one long table."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.config.fields import plain_values
from clnorm.config.sections import TrainConfig
from clnorm.errors import UserError
from clnorm.results.record import RunRecord, read_record

if TYPE_CHECKING:
    import pandas as pd


_A_BAR = "average_incremental_accuracy"


_CHOICES = ("imbalance", "stats_update", "recalibrate_after_exp", "freeze_after_exp")


def load_results(folder: str | Path) -> "pd.DataFrame":
    """All runs under a folder, as one long table: one row for each run and metric.

    Returns:
        `retention` is filled in where joint training with the same norm, label and seed is among the runs. Columns run,
        setting, dataset, protocol, backbone, norm, strategy, label, imbalance, the policies of running statistics
        (stats_update, recalibrate_after_exp, freeze_after_exp), seed, status, metric, value. A run that has not
        finished has the status `unfinished` and one row without metric and value.

    Raises:
        UserError: there is no such folder, or no run in it.
        ClnormError: a record is damaged.
    """
    import pandas as pd

    root = Path(folder)
    if not root.is_dir():
        raise UserError("there is no such folder", where=str(root), hint="give the --out of your runs")
    records = [read_record(file) for file in sorted(root.rglob("record.json"))]
    if not records:
        raise UserError("holds no run", where=str(root), hint=f"make one: clnorm run --out {root}")
    joint = {_pair(record): record.metrics.get(_A_BAR) for record in records if record.names["strategy"] == "joint"}
    return pd.DataFrame([row for record in records for row in _rows(_with_retention(record, joint.get(_pair(record))))])


def _pair(record: RunRecord) -> tuple[str, str, str, int]:
    """What a run and the joint training that it is measured against have in common."""
    return record.setting, record.names["norm"], record.label, record.seed


def _with_retention(record: RunRecord, joint: float | None) -> RunRecord:
    """The record with its share of joint training's A-bar, where both are known."""
    own = record.metrics.get(_A_BAR)
    return record if not own or not joint else replace(record, metrics={**record.metrics, "retention": own / joint})


def _rows(record: RunRecord) -> list[dict[str, Any]]:
    recipe = record.config.get("train", {})
    shared = {
        "run": record.run,
        "setting": record.setting,
        **record.names,
        "label": record.label,
        # A record that is older than a key is of a run by what is now its default.
        **{key: recipe.get(key, default) for key, default in plain_values(TrainConfig()).items() if key in _CHOICES},
        "seed": record.seed,
        "status": record.status,
    }
    values = record.metrics.items() or [(None, None)]
    return [{**shared, "metric": name, "value": math.nan if value is None else value} for name, value in values]
