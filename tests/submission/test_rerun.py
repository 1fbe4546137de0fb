"""A run made again: the same bits where it was trained, and others where its numbers were made up."""

import shutil
from dataclasses import replace

import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.config.load import load_config
from clnorm.results.folder import RunFolder, read_frame
from clnorm.results.measure import measure
from clnorm.results.record import read_record
from tests.submission.forging import rewrite


@pytest.fixture
def run(tiny, tmp_path):
    """A run that was trained."""
    config = tiny(norm="cn", strategy="replay:per_class=1", keep_model=False, train__epochs=1)
    record = clnorm.run(config)
    return tmp_path / "runs" / record.run


def again(run, *more):
    return main(["submit", "--check", str(run.parent), "--rerun", run.name, *more])


@pytest.mark.slow
def test_a_run_that_was_trained_is_the_same(run, capsys):
    before = sorted(path.name for path in run.parent.rglob("*"))
    assert again(run) == 0
    assert f"{run.name}, made again: holds\n" in capsys.readouterr().out
    assert sorted(path.name for path in run.parent.rglob("*")) == before
    assert again(run, "--set", "train.epochs=2") == 2
    assert "which is another run" in capsys.readouterr().err


@pytest.mark.slow
def test_numbers_that_were_made_up_and_fit_together(run, faults, capsys):
    """Nothing but doing it again can tell: all that the check computes agrees."""
    frame = read_frame(run / "predictions.parquet", hint="")
    frame["predicted"], frame["rank"] = frame["label"], 0
    record = measure(replace(read_record(run / "record.json"), metrics={}, matrix=[]), frame, run)
    assert record.metrics["accuracy"] == 1
    RunFolder(run).write_results(record, frame)
    assert faults(run.parent) == {}
    assert again(run) == 1
    out = capsys.readouterr().out
    assert (
        f"{run.name}, made again: wrong\n  rerun: wrong: record.json: matrix is [[1.0, None], [1.0, 1.0]], and" in out
    )
    assert "  rerun: wrong: predictions.parquet: predicted differs in " in out
    assert "versions, machine and clips are the same" in out


def test_a_run_that_is_wrong_is_not_made_again(made, tmp_path, capsys):
    runs = shutil.copytree(made, tmp_path / "runs")
    (run, *_) = sorted(runs.iterdir())
    rewrite(run, seed=9)
    assert again(run) == 2
    assert f"{run.name} is not made again, since something is wrong with it" in capsys.readouterr().err


def test_a_run_that_is_not_there(made, capsys):
    (run, *_) = sorted(made.iterdir())
    assert again(run.with_name(f"{run.name}x")) == 2
    assert f"did you mean '{run.name}'?" in capsys.readouterr().err


def test_config_yaml_is_what_is_made_again(made):
    """It lies beside the table of clips, which a rerun's clips are compared with."""
    (run, *_) = sorted(made.iterdir())
    assert load_config(run / "config.yaml").data.clips == str(run / "clips.parquet")
