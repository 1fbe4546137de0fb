"""A finished run in a folder, with predictions, as small as can be."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from clnorm.evaluation.metrics import Metric
from clnorm.results.explanation import Explanation
from clnorm.results.folder import RunFolder, write_frame
from clnorm.results.measure import measure
from clnorm.results.record import RunRecord
from tests.results.records import FINISHED

EXPLANATION = Explanation(
    run="a run",
    model="0" * 64,
    best=[0.9, 1.0],
    final=[0.1, 0.5],
    statistics=[0.2, 0.0],
    head=[0.5, 0.25],
    features=[0.1, 0.25],
    head_before_statistics=[0.6, 0.25],
    sites=13,
    train_clips=8,
    test_clips=4,
    differing=0,
    l2=0.001,
    converged=True,
    seconds=1.5,
)

ROWS = [
    (0, 0, 0, 0, 0, 0.9),
    (0, 1, 0, 1, 1, 0.6),
    (1, 0, 0, 1, 1, 0.8),
    (1, 1, 0, 1, 1, 0.7),
    (1, 2, 1, 1, 0, 0.9),
    (1, 3, 1, 0, 1, 0.5),
]
PREDICTIONS = pd.DataFrame(ROWS, columns=["after", "clip", "label", "predicted", "rank", "confidence"])
STEPS = pd.DataFrame({"experience": [0, 1], "step": [1, 2], "tested": [0, 0], "accuracy": [0.5, 0.25], "clips": [2, 2]})


def keep_run(folder: Path, *, predictions: pd.DataFrame = PREDICTIONS, **changes) -> RunRecord:
    """Two classes in two experiences of two test clips each: R = [[0.5, --], [0, 0.5]]."""
    folder.mkdir(parents=True)
    data = {"test_clips": [2, 2], "train_clips_per_class": [3, 3]}
    record = measure(replace(FINISHED, run=folder.name, data=data, metrics={}, matrix=[]), predictions, folder)
    record = replace(record, **changes)
    write_frame(folder / "predictions.parquet", predictions)
    RunFolder(folder).write("record.json", record.to_json())
    return record


def metric(function, key="mine", **options) -> Metric:
    return Metric(key, key, "", "a formula", "", "me", True, function, **options)


def corrupt(run: Path) -> None:
    """Flip a bit of its predictions."""
    content = bytearray((run / "predictions.parquet").read_bytes())
    content[200] ^= 1
    (run / "predictions.parquet").write_bytes(content)
