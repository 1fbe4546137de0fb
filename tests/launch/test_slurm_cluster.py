"""A sweep on a real Slurm cluster: of jobs that are cancelled or told of their limit nothing is lost or done twice."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from clnorm.launch.notes import read_signs
from clnorm.launch.status import Watch
from tests.launch.slurm_cluster import cluster  # noqa: F401 - a fixture
from tests.launch.test_local import all_results, run_here, start, wait_for  # noqa: F401

pytestmark = pytest.mark.slow

GRID = {"norm": ["ln", "bn", "cn"], "strategy": ["naive", "replay"]}
EPOCHS = {"train": {"epochs": 50}}


@pytest.fixture
def slurm(cluster, monkeypatch):  # noqa: F811
    """Gives a command of Slurm's, as lines of its output."""
    for name in ("PATH", "SLURM_CONF"):
        monkeypatch.setenv(name, cluster[name])

    def ask(*words):
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()

    return ask


def tasks_of(out):
    """Each run's job name and number in its array."""
    notes = [json.loads(file.read_text()) for file in sorted(Path(out, ".sweep/slurm").glob("*.json"))]
    return {run: (note["name"], str(task)) for note in notes for task, runs in enumerate(note["tasks"]) for run in runs}


def queue(slurm):
    """The id of each task that waits or runs, by its job's name and its number."""
    lines = slurm("squeue", "--noheader", "--array", "--format=%j|%K|%i")
    return {tuple(line.split("|")[:2]): line.split("|")[2] for line in lines}


def catch_running(slurm, out, *, but=()):
    """The run of a job that trains just now, and the id of its task."""

    def find():
        for sign in read_signs(out):
            if sign.done and sign.run not in but and (found := queue(slurm).get(tasks_of(out)[sign.run])):
                return sign.run, found
        return None

    return wait_for(find)


def submit(start, *, launcher="slurm:minutes=20,at_most=2"):  # noqa: F811
    process = start(GRID, "--launcher", launcher, **EPOCHS)
    told = process.stderr.read()
    assert process.wait() == 0, told
    return told


def test_cancelled_and_requeued_jobs_are_finished_by_the_same_command(slurm, start, run_here, tmp_path):  # noqa: F811
    out = tmp_path / "runs"
    told = submit(start)
    assert re.search(r"Submitted 6 runs in 6 tasks: Slurm jobs \d+, \d+;", told), "four tasks are an array at most"
    assert "0 of 6 runs are finished" in told
    before = set(queue(slurm).values())
    told = submit(start)
    assert re.search(r"[3-6] runs are in jobs already", told)
    assert "Submitted" not in told
    assert set(queue(slurm).values()) <= before, "nothing is submitted twice"

    requeued, task = catch_running(slurm, out)
    slurm("scancel", "--batch", "--signal=USR1", task)
    cancelled, task = catch_running(slurm, out, but=[requeued])
    slurm("scancel", task)
    wait_for(lambda: not queue(slurm), seconds=600)
    states = {cell.run: cell.state for cell in Watch(out).look().cells}
    assert states.pop(cancelled) == "stopped"
    assert set(states.values()) == {"finished"}, "the one that was told of its limit went on by itself"
    (log,) = [file for file in out.glob(".sweep/slurm/*.log") if "goes back into the queue" in file.read_text()]
    name, number = tasks_of(out)[requeued]
    assert log.name == f"{name}-{number}.log"

    told = submit(start)
    assert "6 runs, of which 5 are finished" in told
    assert "Submitted 1 runs in 1 tasks" in told
    wait_for(lambda: not queue(slurm), seconds=600)
    assert "6 runs are finished" in submit(start)
    assert all_results(out) == run_here(GRID, **EPOCHS)


def preempt(slurm, folder):
    """Have a job of a partition that comes first take the whole node for a moment."""
    file = folder / "hog.sh"
    file.write_text("#!/bin/bash\nsleep 3\n")
    slurm("sbatch", "--partition=high", "--ntasks=2", "--output=/dev/null", str(file))


def test_a_preempted_job_goes_on_by_itself_where_slurm_requeues_it(slurm, start, tmp_path):  # noqa: F811
    out = tmp_path / "runs"
    process = start({"norm": ["ln", "cn"]}, "--launcher", "slurm:minutes=20,bundle=2", **EPOCHS)
    assert process.wait() == 0, process.stderr.read()
    catch_running(slurm, out)
    preempt(slurm, tmp_path)
    wait_for(lambda: not queue(slurm), seconds=600)
    assert Watch(out).look().count("finished") == 2
    assert any("DUE TO PREEMPTION" in file.read_text() for file in out.glob(".sweep/slurm/*.log"))


def test_a_command_that_waits_submits_again_what_is_preempted_for_good(slurm, start, tmp_path):  # noqa: F811
    out = tmp_path / "runs"
    launcher = "slurm:partition=lost,minutes=20,bundle=2,wait=true"
    process = start({"norm": ["ln", "cn"]}, "--launcher", launcher, **EPOCHS)
    catch_running(slurm, out)
    preempt(slurm, tmp_path)
    told = process.stderr.read()
    assert process.wait() == 0, told
    assert told.count("Submitted") == 2
    assert "2 runs are finished" in told
    assert Watch(out).look().count("finished") == 2


@pytest.mark.parametrize(
    ("launcher", "words"),
    [
        ("slurm:partition=nowhere", "invalid partition specified: nowhere"),
        ("slurm:gpus=1", "Invalid generic resource"),
        ("slurm:more=--no-such-option", "unrecognized option"),
    ],
)
def test_what_slurm_refuses_is_told_in_its_own_words(slurm, start, tmp_path, launcher, words):  # noqa: F811
    process = start({"norm": ["ln", "cn"]}, "--launcher", launcher, **EPOCHS)
    told = process.stderr.read()
    assert process.wait() == 2, told
    assert words in told
    assert not queue(slurm)
    assert not tasks_of(tmp_path / "runs")
