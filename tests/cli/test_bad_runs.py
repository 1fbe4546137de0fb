"""A folder with runs that cannot be read, lack something or are there twice: what is shown, and what is said of it."""

import json
import os
import shutil

import pytest

from clnorm.cli.main import main
from tests.report.made import damage, find_run, make_grid, rewrite


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    make_grid(folder / "runs", strategies=("naive",))
    return folder / "runs"


@pytest.fixture
def runs(made, tmp_path):
    """Two norms with three seeds."""
    return shutil.copytree(made, tmp_path / "runs")


def test_where_a_figure_is_refused_the_run_that_it_lacks_is_named(runs, tmp_path, capsys):
    run = find_run(runs, "bn-naive-s1")
    damage(run / "record.json")
    assert main(["plot", str(runs), "--figure", "accuracy", "--out", str(tmp_path / "a.pdf")]) == 2
    note, error = capsys.readouterr().err.splitlines()
    assert note.startswith(f"note: 1 run is left out, because it cannot be read: {run / 'record.json'}: ")
    assert error.startswith("error: figure: bn with naive has no finished run with seed 1, which others have")
    assert not (tmp_path / "a.pdf").exists()


def test_so_it_is_where_a_table_has_no_such_row(runs, capsys):
    for run in runs.glob("*-cn-*"):
        damage(run / "record.json")
    assert main(["table", str(runs), "--versus", "cn"]) == 2
    note, error = capsys.readouterr().err.splitlines()
    assert note.startswith("note: 3 runs are left out, because they cannot be read: ")
    assert error.startswith("error: table: no run has the norm 'cn'")


def test_so_it_is_with_runs_that_keep_no_log(runs, tmp_path, capsys):
    run = find_run(runs, "bn-naive-s1")
    (run / "log.jsonl").unlink()
    assert main(["plot", str(runs), "--figure", "loss", "--out", str(tmp_path / "a.pdf")]) == 2
    assert f"left out, since they do not keep what it is drawn from: {run.name}\n" in capsys.readouterr().err


def test_some_runs_that_lack_a_metric_are_counted(runs, capsys):
    run = find_run(runs, "bn-naive-s1")
    metrics = dict(json.loads((run / "record.json").read_text())["metrics"])
    metrics.pop("forgetting")
    rewrite(run, metrics=metrics)
    assert main(["table", str(runs)]) == 0
    added = f"compute it from what they keep with clnorm metrics add forgetting {runs}"
    assert capsys.readouterr().err == f"1 of 6 finished runs do not hold forgetting: {added}\n"
    assert main(["table", str(runs), "--where", "norm=cn"]) == 0
    assert capsys.readouterr().err == "", "of the runs that are shown none does"


@pytest.mark.parametrize("figure", ["ranks", "differences"])
def test_no_rank_is_drawn_of_what_is_no_share(runs, tmp_path, capsys, figure):
    run = find_run(runs, "bn-naive-s1")
    rewrite(run, metrics={"accuracy": 2.0})
    assert main(["plot", str(runs), "--figure", figure, "--out", str(tmp_path / "a.pdf")]) == 2
    assert f"{run.name}: accuracy is 2.0; legal: a share from -1 to 1, or none" in capsys.readouterr().err


def test_copies_of_a_run_are_told_apart_by_their_folders(runs, capsys):
    run = find_run(runs, "bn-naive-s1")
    shutil.copytree(run, runs / "copy")
    assert main(["table", str(runs)]) == 2
    error = capsys.readouterr().err
    assert f"several runs have norm bn, strategy naive and seed 1; legal: one of {runs / 'copy'}, {run};" in error


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(runs, capsys):
    run = find_run(runs, "bn-naive-s1")
    for name in ("predictions.parquet", "log.jsonl"):
        (run / name).unlink()
        os.mkfifo(run / name)
    assert main(["show", str(run)]) == 1
    assert "predictions.parquet: cannot be read (it is no regular file)" in capsys.readouterr().err
    assert main(["report", str(runs), "--out", str(runs.parent / "a.html")]) == 1
    error = capsys.readouterr().err
    assert "2 files are left out, because they cannot be read: " in error
    assert "log.jsonl: is damaged (it is no regular file)" in error
