"""The plan of a sweep: the run of each cell, what is finished, and an order in which beginnings are shared."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.catalogue import LAUNCHERS
from clnorm.cli.sweep import parse_indices
from clnorm.errors import ClnormError, UserError
from clnorm.launch.job import Job, write_indices
from clnorm.launch.manifest import read_cells, write_manifest
from clnorm.launch.plan import plan_sweep
from clnorm.launch.sweep import launch, sweep
from clnorm.progress import Reporter

GRID = [{"norm": norm, "strategy": strategy} for strategy in ("naive", "ewc") for norm in ("bn", "cn")]


def test_cells_that_begin_alike_follow_each_other_and_runs_keep_the_given_order(plan):
    planned = plan(*GRID)
    assert [(cell.config.norm.name, cell.config.strategy.name) for cell in planned.cells] == [
        *[("bn", "naive"), ("bn", "ewc")],
        *[("cn", "naive"), ("cn", "ewc")],
    ]
    assert [run.split("-")[2:4] for run in planned.runs] == [[each["norm"], each["strategy"]] for each in GRID]


def test_the_same_run_is_planned_once(plan):
    planned = plan({"norm": "bn"}, {"norm": "bn", "data__workers": 1}, {"norm": "bn:momentum=0.1"})
    assert len(planned.cells) == 1
    assert len(planned.runs) == 3
    assert len(set(planned.runs)) == 1


def test_the_run_of_a_cell_is_the_folder_that_the_run_makes(plan, write_record):
    cell, other = plan({"norm": "bn"}, {"norm": "cn"}).cells
    assert not cell.is_finished
    write_record(cell)
    assert cell.is_finished
    assert not other.is_finished


def test_a_manifest_gives_back_its_cells(plan):
    cells = plan(*GRID).cells
    file = write_manifest(cells)
    assert read_cells(file) == cells
    assert read_cells(file, [3, 1]) == [cells[3], cells[1]]
    assert write_manifest(cells) == file, "the same sweep has the same manifest"
    assert write_manifest(cells[:2]) != file, "an amended one leaves the first to the processes that read it"


def test_one_manifest_is_written_by_several_at_once(plan):
    cells = plan(*GRID).cells
    with ThreadPoolExecutor(4) as pool:
        files = [pool.submit(write_manifest, cells) for _ in range(80)]
        assert {len(read_cells(file.result())) for file in files} == {len(cells)}


@pytest.mark.parametrize("index", [4, 99])
def test_a_cell_that_is_not_there_is_refused(plan, index):
    with pytest.raises(UserError, match=rf"there is no cell {index}; legal: 0 to 3"):
        read_cells(write_manifest(plan(*GRID).cells), [0, index])


def test_an_edited_manifest_is_refused(plan):
    file = write_manifest(plan(*GRID).cells)
    file.write_text(file.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ClnormError, match=r"is no manifest of a sweep, or was changed .* give the sweep again"):
        read_cells(file)


def test_a_worker_in_another_folder_does_not_begin_the_sweep_anew_there(tiny, tmp_path, monkeypatch):
    given_in, other = tmp_path / "given_in", tmp_path / "other"
    for folder in (given_in, other):
        folder.mkdir()
    monkeypatch.chdir(given_in)
    file = write_manifest(plan_sweep([tiny(out="runs/many")], reporter=Reporter()).cells).absolute()
    assert len(read_cells(file)) == 1
    monkeypatch.chdir(other)
    with pytest.raises(
        UserError, match=f"its runs would go into {other}/runs/many.*the sweep was given in: {given_in}"
    ):
        read_cells(file)
    assert not list(other.iterdir())


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"schema": 1, "cells": [{}]})])
def test_something_else_is_no_manifest(tmp_path, content):
    file = tmp_path / "m.json"
    file.write_text(content)
    with pytest.raises(ClnormError, match=r"m\.json: is no manifest"):
        read_cells(file)


def test_a_manifest_does_not_decide_what_is_imported(plan, tmp_path, monkeypatch):
    (tmp_path / "othernorms.py").write_text("from clnorm.norms.group import GroupNorm as Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = write_manifest(plan({"norm": "othernorms:Mine"}).cells)
    with pytest.raises(UserError, match="othernorms"):
        read_cells(file)
    assert read_cells(file, allow_plugins=["othernorms:Mine"])[0].config.norm.name == "othernorms:Mine"


@given(st.lists(st.integers(0, 60), min_size=1, unique=True))
def test_indices_are_read_back_in_their_order(indices):
    assert parse_indices(write_indices(indices)) == indices


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-2", "1,,2", "1-2-3", " 1", "0-99999999999"])
def test_other_texts_are_no_indices(text):
    with pytest.raises(UserError, match="--index"):
        parse_indices(text)


def test_only_what_is_not_finished_is_launched(plan, write_record, notes):
    cells, given_jobs = plan(*GRID).cells, []
    write_record(cells[1])

    class Engine:
        def build(self, job):
            given_jobs.append(job)

    launch(cells, Engine(), retries=0, reporter=notes, show=print)
    assert list(given_jobs[0].cells) == [0, 2, 3]
    assert read_cells(given_jobs[0].manifest) == cells
    assert "4 runs, of which 1 are finished." in notes.texts[0]
    for cell in cells:
        write_record(cell)
    launch(cells, Engine(), retries=0, reporter=notes, show=print)
    assert len(given_jobs) == 1


def test_the_command_of_a_worker_names_cells_and_plugins(plan, tmp_path, monkeypatch, notes):
    (tmp_path / "othernorms.py").write_text("from clnorm.norms.group import GroupNorm as Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    cells = plan({"norm": "othernorms:Mine"}, {}).cells
    job = Job(tmp_path / "m.json", dict(enumerate(cells)), 2, notes, print)
    words = job.command([1, 0])
    assert words[1:] == [
        *["-m", "clnorm", "worker", str(tmp_path / "m.json"), "--index", "1,0", "--retries", "2"],
        *["--allow-plugin", "othernorms:Mine"],
    ]


def test_several_results_folders_are_no_sweep(tiny):
    with pytest.raises(UserError, match="give one results folder"):
        sweep([tiny(out="a"), tiny(out="b")])


def test_an_unknown_launcher_is_refused_with_the_nearest(tiny):
    with pytest.raises(UserError, match="did you mean 'local'"):
        sweep([tiny()], launcher="locl")
    assert LAUNCHERS.parse("local:processes=3").kwargs["processes"] == 3
