"""The list of runs: how far each is, when it changed, and in what order they stand."""

import os
from dataclasses import replace

import pytest

from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.results.folder import RunFolder
from clnorm.results.load import load_results
from clnorm.results.overview import list_runs, sort_runs
from tests.results.records import FINISHED


@pytest.fixture
def runs(tmp_path):
    """Three finished runs, `good` the best and `bad` the worst, and one that is stopped after its first experience."""
    values = {"good": 0.9, "middle": 0.5, "bad": None}
    for seed, (name, value) in enumerate(values.items()):
        metrics = {"accuracy": value, "forgetting": None if value is None else 1 - value}
        write(tmp_path / name, replace(FINISHED, run=name, seed=10 - seed, metrics=metrics))
    write(tmp_path / "stopped", replace(FINISHED, run="stopped", status="unfinished", metrics={}, cost={}))
    steps = tmp_path / "stopped" / "predictions"
    steps.mkdir()
    for name in ("after_-1.parquet", "after_0.parquet", "after_old.parquet"):
        (steps / name).touch()
    return tmp_path


def write(folder, record):
    folder.mkdir()
    RunFolder(folder).write("record.json", record.to_json())


def listed(folder):
    return list_runs(load_results(folder, columns=["cost", "folder"]))


def test_each_run_is_one_row_with_its_metrics_and_how_far_it_is(runs):
    count = len(FINISHED.experiences)
    rows = listed(runs).set_index("run")
    assert rows["done"].to_dict() == {"good": count, "middle": count, "bad": count, "stopped": 1}
    assert rows.loc["good", "accuracy"] == 0.9
    assert rows["accuracy"].isna().to_dict() == {"good": False, "middle": False, "bad": True, "stopped": True}


def test_what_was_written_last_says_when_a_run_changed(runs):
    for path in [runs / "good", *(runs / "good").iterdir()]:
        os.utime(path, (0, 1_000_000_000))
    os.utime(runs / "good" / "record.json", (0, 1_100_000_000))
    assert listed(runs).set_index("run").loc["good", "changed"] == "2004-11-09 11:33:20"


@pytest.mark.parametrize(
    ("column", "order"),
    [
        ("accuracy", ["good", "middle", "bad", "stopped"]),
        ("forgetting", ["good", "middle", "bad", "stopped"]),
        ("seed", ["stopped", "bad", "middle", "good"]),
        ("status", ["bad", "good", "middle", "stopped"]),
    ],
)
def test_runs_are_sorted_by_any_column_the_best_of_a_metric_first(runs, column, order):
    assert sort_runs(listed(runs), column)["run"].tolist() == order


def test_a_metric_that_no_run_has_yet_sorts_nothing(tmp_path):
    write(tmp_path / "stopped", replace(FINISHED, run="stopped", status="unfinished", metrics={}, cost={}))
    assert sort_runs(listed(tmp_path), "accuracy")["run"].tolist() == ["stopped"]


def test_an_unknown_column_is_refused_with_the_nearest_one(runs):
    with pytest.raises(UserError, match="there is no column 'forgeting'; did you mean 'forgetting'"):
        sort_runs(listed(runs), "forgeting")


def test_the_command_shows_them_in_that_order(runs, capsys):
    assert main(["runs", str(runs), "--sort", "accuracy"]) == 0
    out = capsys.readouterr().out
    assert out.index("good") < out.index("middle") < out.index("bad") < out.index("stopped")
    assert f"1 of {len(FINISHED.experiences)} experiences" in out
    assert "4 runs, 3 finished" in out
