"""From what a run keeps to its metrics: when it ends, and for a metric that is added afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.errors import ClnormError, UserError
from clnorm.evaluation.metrics import METRICS, Metric, RunData, compute, evaluate, find_metric
from clnorm.results.folder import RunFolder, read_predictions, write_frame
from clnorm.results.inspect import read_run
from clnorm.results.kept import ANEW, SAME, KeptFrames, defined, numbers, read_matrices
from clnorm.results.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd


def describe_run(
    record: RunRecord, frames: "Mapping[str, pd.DataFrame]", *, joint: list[list[float | None]] | None = None
) -> RunData:
    """A finished run for metrics.

    Args:
        record: of the run, with its matrix.
        frames: the tables that it keeps.
        joint: the matrix of joint training under the same conditions, where there is such a run.
    """
    train_clips = record.data.get("train_clips_per_class")
    return RunData(
        matrix=numbers(record.matrix),
        test_clips=record.data["test_clips"],
        experiences=record.experiences,
        train_clips=train_clips if isinstance(train_clips, list) else None,
        untrained=None if record.untrained is None else numbers([record.untrained])[0],
        joint=None if joint is None else numbers(joint),
        frames=frames,
        num_classes=len(record.classes),
    )


def measure(record: RunRecord, predictions: "pd.DataFrame", folder: Path) -> RunRecord:
    """The record of a run that ends with its accuracies and metrics.

    Args:
        record: with the test clips of each experience.
        predictions: after each step.
        folder: of the run, with what else it keeps.
    """
    record = replace(record, **read_matrices(predictions, record))
    run = describe_run(record, KeptFrames(folder, record, {"predictions": predictions}))
    return replace(record, metrics={name: defined(value) for name, value in compute(run).items()})


class UnfinishedError(UserError):
    """A run has no metrics yet."""


@dataclass(frozen=True)
class Addition:
    """What became of a metric that was to be added to a run.

    Args:
        folder: of the run.
        value: of the metric; None where there is none.
        reason: why there is none.
        before: what the record said.
        written: whether the record was changed.
    """

    folder: Path
    value: float | None
    reason: str = ""
    before: float | None = None
    written: bool = False


def add_metric(metric: Metric | str, folder: str | Path) -> Addition:
    """Compute a metric from what a finished run keeps, and write it into its record.

    A record that has the value already stays as it is, and so does one where there is none now.

    Args:
        metric: or its name, such as `minimum_accuracy` or `package.module:Name`.
        folder: of the run.

    Raises:
        UserError: there is no such metric, no run, it is not finished, or another process holds it.
        ClnormError: something that it keeps is damaged, the metric failed, or it is one of clnorm's own and the record
            says something else.
    """
    metric, folder = find_metric(metric) if isinstance(metric, str) else metric, Path(folder)
    record = read_run(folder)
    check_finished(record, folder)
    try:
        value, reason = evaluate(metric, describe_run(record, KeptFrames(folder, record)))
    except ClnormError as error:
        raise error if str(folder) in (error.where or "") else error.within(str(folder)) from error
    before = record.metrics.get(metric.key)
    if reason:
        return Addition(folder, None, reason, before)
    if metric.key in METRICS and before is not None:
        if abs(value - before) > SAME:
            what = f"its record says that {metric.key} is {before}, and what it keeps gives {value}"
            raise ClnormError(what, where=str(folder), hint=ANEW)
        return Addition(folder, before, before=before)
    if value == before:
        return Addition(folder, value, before=before)
    run = RunFolder(folder)
    with run.locked():
        newest = read_run(folder)  # another metric may have been added since
        predictions = folder / "predictions.parquet"
        if newest.schema == 1 and predictions.is_file():  # the record gets a checksum, and so it must have one, too
            write_frame(predictions, read_predictions(predictions, newest))
        changed = replace(newest, metrics={**newest.metrics, metric.key: value})
        run.write("record.json", changed.to_json())
    return Addition(folder, value, before=before, written=True)


def explain_lack(metric: Metric, folder: Path) -> str:
    """Why a finished run has no value of a metric; that its record merely lacks one, where it could have it.

    Raises:
        ClnormError: as `add_metric`.
    """
    record = read_run(folder)
    _, reason = evaluate(metric, describe_run(record, KeptFrames(folder, record)))
    return reason or f"its record does not hold it; compute it with clnorm metrics add {metric.key} {folder}"


def check_finished(record: RunRecord, folder: Path) -> None:
    """Refuse a run that has no metrics yet.

    Raises:
        UnfinishedError: it is not finished.
    """
    if record.status != "finished":
        hint = f"go on with it: clnorm run --config {folder}/config.yaml"
        raise UnfinishedError("is not finished, so that it has no metrics yet", where=str(folder), hint=hint)
