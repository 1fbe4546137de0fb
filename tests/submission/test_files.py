"""Files of a submission that are cut, unsealed, too large, not its own or not there."""

import numpy as np
import pandas as pd
import pytest

from clnorm.cli.main import main
from clnorm.results.folder import write_frame
from clnorm.submission.check import check_submission
from clnorm.submission.findings import State
from tests.submission.forging import predictions_of, rewrite, run_of


@pytest.mark.parametrize("kept", [0, 10, -100, -1])
def test_a_parquet_file_that_was_cut(runs, faults, kept):
    run = run_of(runs)
    for name, check in (("predictions.parquet", "files"), ("clips.parquet", "files")):
        whole = (run / name).read_bytes()
        (run / name).write_bytes(whole[:kept])
        assert any(message.startswith(f"{name}: ") for message in faults(runs)[run.name, check])
        (run / name).write_bytes(whole)
    assert faults(runs) == {}


def test_a_parquet_file_without_its_seal(runs, faults):
    run = run_of(runs)
    predictions_of(run).to_parquet(run / "predictions.parquet")
    (message,) = faults(runs)[run.name, "files"]
    assert message.startswith("predictions.parquet: cannot be read (it has no checksum)")


def test_a_parquet_file_that_holds_more_than_memory(runs, faults, monkeypatch):
    """It may be small: a million equal values take a few bytes."""
    monkeypatch.setattr("clnorm.submission.submitted._MOST_VALUES", 500_000)
    run = run_of(runs)
    write_frame(run / "steps.parquet", pd.DataFrame({"step": np.zeros(1_000_000, dtype=np.int64)}))
    (message,) = faults(runs)[run.name, "files"]
    assert message.startswith("steps.parquet: holds 1,000,000 values; legal: at most 500,000 values")


def test_files_that_belong_in_no_submission(runs, faults):
    run = run_of(runs)
    (run / "mynorm.py").write_text("raise SystemExit")
    (run / ".lock").touch()
    (run / "log.jsonl").symlink_to("/dev/zero")
    (run / "predictions").mkdir()
    messages = faults(runs)[run.name, "files"]
    assert [message.partition(";")[0] for message in messages] == [
        "log.jsonl: is no regular file",
        "mynorm.py: is no file of a submission",
        "predictions: is no file of a submission",
    ]


def test_a_record_that_cannot_be_read_is_a_report(runs, faults):
    run = run_of(runs)
    (run / "record.json").write_text("{}")
    reports = {part.name: part for part in check_submission(runs).parts}
    assert reports[run.name].checks == ("record",)
    assert reports[run.name].state is State.WRONG
    assert len(reports) == 5


def test_an_unfinished_run(runs, faults):
    rewrite(run_of(runs), status="unfinished")
    assert "is of a run that is not finished" in faults(runs)[run_of(runs).name, "record"][0]


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_runs(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert main(["submit", "--check", name]) == 2
