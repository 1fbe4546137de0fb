"""Metrics at the end of a run and after it: from what it keeps into its record, or the reason why there is none."""

import json
from dataclasses import asdict, replace

import pytest

import clnorm
from clnorm.evaluation.metrics import METRICS
from clnorm.results.folder import RunFolder, write_frame
from clnorm.results.measure import add_metric
from clnorm.results.record import read_record
from tests.results.kept import PREDICTIONS, STEPS, keep_run, metric
from tests.results.records import FINISHED


def test_a_run_ends_with_every_metric_that_it_keeps_enough_for(tmp_path):
    record = keep_run(tmp_path / "run")
    assert record.matrix == [[0.5, None], [0.0, 0.5]]
    assert list(record.metrics) == list(METRICS)
    expected = {"accuracy": 0.25, "forgetting": 0.5, "old_as_new": 1.0, "new_as_old": 0.5, "task_confusion": 0.75}
    assert {key: record.metrics[key] for key in expected} == expected
    absent = {"fwt", "retention", "head", "mid", "tail", "nme_accuracy", "minimum_accuracy", "probe_accuracy", "cka"}
    assert {key for key in absent if record.metrics[key] is not None} == set()


def test_what_the_folder_keeps_beside_predictions_counts_at_the_end_too(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    write_frame(folder / "steps.parquet", STEPS)
    data = {"test_clips": [2, 2]}
    record = clnorm.results.measure.measure(replace(FINISHED, data=data, metrics={}), PREDICTIONS, folder)
    assert record.metrics["minimum_accuracy"] == 0.0
    assert record.metrics["worst_case_accuracy"] == 0.25


def test_a_metric_is_added_and_nothing_else_changes(run):
    before = json.loads((run / "record.json").read_text())
    added = add_metric(metric(lambda data: data.R[-1, 0] + 0.125), run)
    assert (added.value, added.reason, added.before, added.written) == (0.125, "", None, True)
    after = json.loads((run / "record.json").read_text())
    assert after["metrics"].pop("mine") == 0.125
    assert after.pop("checksum") != before.pop("checksum")
    assert after == before
    assert read_record(run / "record.json").metrics["mine"] == 0.125, "the new checksum is right"


def test_added_again_it_stays_as_it_is_to_the_byte_and_an_edited_one_is_replaced(run):
    add_metric(metric(lambda data: 0.5), run)
    content, time = (run / "record.json").read_bytes(), (run / "record.json").stat().st_mtime_ns
    again = add_metric(metric(lambda data: 0.5), run)
    assert (again.value, again.before, again.written) == (0.5, 0.5, False)
    assert ((run / "record.json").read_bytes(), (run / "record.json").stat().st_mtime_ns) == (content, time)
    other = add_metric(metric(lambda data: 0.25), run)
    assert (other.value, other.before, other.written) == (0.25, 0.5, True)
    assert read_record(run / "record.json").metrics["mine"] == 0.25


@pytest.mark.parametrize("key", [key for key in METRICS if key not in ("retention",)])
def test_each_of_clnorms_own_gives_again_what_the_record_says(run, key):
    added = add_metric(key, run)
    assert not added.written
    assert added.value == added.before
    assert bool(added.reason) == (added.value is None)


def test_one_that_an_older_record_lacks_is_added_from_its_predictions(tmp_path):
    record = keep_run(tmp_path / "run")
    kept = {key: value for key, value in record.metrics.items() if key in ("accuracy", "forgetting")}
    RunFolder(tmp_path / "run").write("record.json", replace(record, metrics=kept).to_json())
    assert add_metric("task_confusion", tmp_path / "run").written
    assert read_record(tmp_path / "run" / "record.json").metrics == {**kept, "task_confusion": 0.75}


def test_the_first_schema_gets_a_checksum_with_its_predictions(tmp_path):
    """Records of the first version had none, and neither had predictions."""
    folder = tmp_path / "run"
    record = keep_run(folder)
    PREDICTIONS.to_parquet(folder / "predictions.parquet")
    old = {**asdict(record), "schema": 1, "metrics": {"accuracy": 0.25}}
    (folder / "record.json").write_text(json.dumps(old))
    assert add_metric("task_confusion", folder).value == 0.75
    assert read_record(folder / "record.json").schema == 2
    assert add_metric("within_task_error", folder).value == 0.0, "predictions are read again, with their checksum"


REASONS = {
    "fwt": "it was trained without eval.unseen=true",
    "retention": "it compares two runs: tables fill it in",
    "head": "its classes have equally many training clips",
    "nme_accuracy": "it keeps no column nme in predictions.parquet, which it does with eval.nearest=exemplars",
    "minimum_accuracy": "it keeps no steps.parquet, which it does with eval.every=N",
    "cka": "it keeps no probes.parquet",
}


@pytest.mark.parametrize("key", REASONS)
def test_without_what_it_needs_there_is_no_number_and_the_reason(run, key):
    content = (run / "record.json").read_bytes()
    added = add_metric(key, run)
    assert added.value is None
    assert added.reason.startswith(REASONS[key])
    assert (run / "record.json").read_bytes() == content


def test_a_number_stays_where_what_it_came_from_is_gone(run):
    add_metric(metric(lambda data: 0.5, needs=("predictions",)), run)
    (run / "predictions.parquet").unlink()
    added = add_metric(metric(lambda data: 0.25, needs=("predictions",)), run)
    assert (added.value, added.before, added.reason) == (None, 0.5, "it keeps no predictions.parquet")
    assert read_record(run / "record.json").metrics["mine"] == 0.5


def test_nan_of_a_function_is_no_number_with_a_reason(run):
    added = add_metric(metric(lambda data: float("nan")), run)
    assert added.value is None
    assert added.reason.startswith("it is undefined here")
    assert "mine" not in read_record(run / "record.json").metrics
