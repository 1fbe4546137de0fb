"""Metrics that fail, and runs whose kept data are damaged, foreign, unfinished or held, where one is added."""

import os
import sys

import pandas as pd
import pytest

from clnorm.errors import ClnormError, UserError
from clnorm.results.folder import RunFolder, RunIsHeldError, write_frame
from clnorm.results.measure import UnfinishedError, add_metric
from tests.results.kept import PREDICTIONS, STEPS, corrupt, keep_run, metric

FAULTY = {
    "text": (lambda data: "0.5", r"gave '0\.5', a str; return a float"),
    "true": (lambda data: True, "gave True, a bool"),
    "none": (lambda data: None, "gave None, a NoneType"),
    "array": (lambda data: data.R[-1], "a ndarray"),
    "infinite": (lambda data: float("inf"), "gave inf; legal: a share"),
    "percent": (lambda data: 75.0, r"gave 75\.0; legal: a share"),
    "complex": (lambda data: 1j, "a complex"),
    "raises": (lambda data: 1 / 0, r"failed \(ZeroDivisionError: division by zero\)"),
    "exits": (lambda data: sys.exit(3), r"failed \(SystemExit: 3\)"),
    "itself": (lambda data: metric(lambda inner: 1 / 0)(data), "run: metric mine: failed .*ZeroDivisionError"),
    "undeclared": (lambda data: data.frames["steps"].mean(), "failed .*steps"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_function_that_gives_no_number_is_an_error_that_names_metric_and_run(run, name):
    function, message = FAULTY[name]
    content = (run / "record.json").read_bytes()
    with pytest.raises(ClnormError, match=message) as told:
        add_metric(metric(function), run)
    assert "metric mine" in str(told.value)
    assert str(run) in str(told.value)
    assert (run / "record.json").read_bytes() == content


@pytest.mark.parametrize("value", [1, 0, -1.0, 1 + 1e-12])
def test_whole_numbers_and_the_rounding_of_sums_are_numbers(run, value):
    assert add_metric(metric(lambda data: value), run).value == float(value)


DAMAGE = {
    "flipped bit": (corrupt, "its checksum says that it was damaged"),
    "no checksum": (lambda run: PREDICTIONS.to_parquet(run / "predictions.parquet"), "it has no checksum"),
    "cut short": (lambda run: os.truncate(run / "predictions.parquet", 300), "cannot be read"),
    "empty": (lambda run: os.truncate(run / "predictions.parquet", 0), "cannot be read"),
    "of another run": (
        lambda run: write_frame(run / "predictions.parquet", PREDICTIONS.assign(predicted=0)),
        "is of another run",
    ),
    "other columns": (
        lambda run: write_frame(run / "predictions.parquet", pd.DataFrame({"after": [0], "x": [1]})),
        "not those of a run",
    ),
    "text for numbers": (
        lambda run: write_frame(run / "predictions.parquet", PREDICTIONS.assign(label="[/]")),
        "not those of a run",
    ),
    "a class too many": (
        lambda run: write_frame(run / "predictions.parquet", PREDICTIONS.assign(label=7)),
        "label 7 is no class",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_predictions_are_named(run, name):
    damage, message = DAMAGE[name]
    damage(run)
    with pytest.raises(ClnormError, match=message) as told:
        add_metric("task_confusion", run)
    assert "predictions.parquet" in str(told.value)
    assert add_metric("accuracy", run).value == 0.25, "what needs no predictions does without them"


STRANGE = {
    "experience": STEPS.assign(tested=[0, 9]),
    "accuracy": STEPS.assign(accuracy=[0.5, 1.25]),
    "text": STEPS.assign(accuracy=["a", "b"]),
    "texts of numbers": STEPS.assign(experience=["[/]", "1"]),
}


@pytest.mark.parametrize("name", STRANGE)
def test_other_tables_with_other_values_give_no_number_or_are_refused(run, name):
    write_frame(run / "steps.parquet", STRANGE[name])
    if name == "experience":  # nothing was measured on the first one
        assert add_metric("minimum_accuracy", run).reason.startswith("it is undefined here")
    else:
        with pytest.raises(ClnormError, match=r"run: metric minimum_accuracy: steps: (not numbers|an accuracy is)"):
            add_metric("minimum_accuracy", run)


def test_predictions_of_no_class_are_refused(run):
    wrong = PREDICTIONS.assign(predicted=PREDICTIONS["predicted"].where(PREDICTIONS["clip"] != 3, 9))
    write_frame(run / "predictions.parquet", wrong)
    with pytest.raises(ClnormError, match="9 is no class; legal: 0 to 1"):
        add_metric("task_confusion", run)


def test_a_record_that_says_something_else_of_clnorms_own_is_not_changed(tmp_path):
    keep_run(tmp_path / "run", metrics={"accuracy": 0.5})
    content = (tmp_path / "run" / "record.json").read_bytes()
    with pytest.raises(ClnormError, match=r"says that accuracy is 0\.5, and what it keeps gives 0\.25"):
        add_metric("accuracy", tmp_path / "run")
    assert (tmp_path / "run" / "record.json").read_bytes() == content


def test_an_unfinished_run_has_no_metrics_and_one_that_is_held_is_left_alone(tmp_path, run):
    keep_run(tmp_path / "half", status="unfinished")
    with pytest.raises(UnfinishedError, match=r"not finished, .*; go on with it: clnorm run --config .*half"):
        add_metric("accuracy", tmp_path / "half")
    with RunFolder(run).locked(), pytest.raises(RunIsHeldError):
        add_metric(metric(lambda data: 0.5), run)
    with pytest.raises(UserError, match="is not the folder of a run"):
        add_metric("accuracy", tmp_path)


def test_a_full_disk_leaves_the_record_as_it_was(run, monkeypatch):
    content = (run / "record.json").read_bytes()
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ClnormError, match="No space left"):
        add_metric(metric(lambda data: 0.5), run)
    monkeypatch.undo()
    assert (run / "record.json").read_bytes() == content
    assert sorted(path.name for path in run.iterdir()) == [".lock", "predictions.parquet", "record.json"]
