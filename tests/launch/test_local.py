"""Sweeps on this machine, with processes of their own: all cells end, whatever is killed or stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import clnorm
from clnorm.launch.grid import read_sweep
from clnorm.launch.local import count_fitting, count_threads, divide, list_gpus
from clnorm.launch.notes import read_signs
from clnorm.launch.status import Watch
from clnorm.launch.sweep import preview, sweep
from tests.training.states.continued import results

pytestmark = pytest.mark.slow

CONFIG = {
    "dataset": "synthetic:classes=4,train=4,test=2",
    "protocol": "even:experiences=2",
    "data": {"frames": 4, "image_size": 16},
    "train": {"epochs": 2, "batch_size": 4},
}


@pytest.fixture
def start(tmp_path):
    """Starts `clnorm sweep` on a grid, and gives its process."""

    begun = []

    def begin(grid, *words, out="runs", **config):
        file = tmp_path / f"{out}.yaml"
        file.write_text(yaml.safe_dump({"config": {**CONFIG, **config}, "grid": grid}))
        words = words if "--launcher" in words else ("--launcher", "local:processes=1", *words)
        command = [sys.executable, "-m", "clnorm", "sweep", str(file), "--out", str(tmp_path / out), *words]
        begun.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture
def run_here(tmp_path):
    """Runs a grid in this process, one run after the other, into a folder of its own."""

    def run(grid, **config):
        file = tmp_path / "here.yaml"
        file.write_text(yaml.safe_dump({"config": {**CONFIG, **config}, "grid": grid}))
        sweep(read_sweep(file, {"out": str(tmp_path / "here")}))
        return all_results(tmp_path / "here")

    return run


def wait_for(condition, seconds=300):
    """Wait until something holds; a machine may be slow."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)
    return found


def all_results(out):
    """What each run of a results folder left, but for how long it took."""
    found = {}
    for file in sorted(Path(out).glob("*/config.yaml")):
        config = clnorm.load_config(file, {"data.clips": None, "out": str(out)})
        record = clnorm.run(config)
        found[record.run] = results(config, record)
    return found


def test_two_processes_leave_what_one_leaves(start, run_here, tmp_path):
    grid = {"norm": ["ln", "cn"], "strategy": ["naive", "replay"]}
    process = start(grid, "--launcher", "local:processes=2,threads=1", out="two")
    assert process.wait() == 0, process.stderr.read()
    expected = run_here(grid)
    assert len(expected) == 4
    assert all_results(tmp_path / "two") == expected
    status = Watch(tmp_path / "two").look()
    assert status.is_over
    assert status.count("finished") == 4


def test_a_killed_worker_is_replaced_and_its_cell_is_done(start, tmp_path):
    process = start({"norm": ["ln", "cn"]}, "--launcher", "local:processes=2,threads=1", train={"epochs": 40})
    signs = wait_for(lambda: [sign for sign in read_signs(tmp_path / "runs") if sign.done])
    os.kill(int(signs[0].worker.rpartition("-")[2]), signal.SIGKILL)
    told = process.stderr.read()
    assert process.wait() == 0, told
    assert "is started anew" in told
    assert "killed by signal 9" in told
    assert Watch(tmp_path / "runs").look().count("finished") == 2


def test_a_stopped_sweep_is_gone_on_with_by_the_same_command(start, run_here, tmp_path):
    words, grid, train = ("--launcher", "local:processes=2,threads=1"), {"norm": ["ln", "cn", "bn"]}, {"epochs": 30}
    process = start(grid, *words, train=train)
    wait_for(lambda: len([sign for sign in read_signs(tmp_path / "runs") if sign.done]) == 2)
    process.send_signal(signal.SIGTERM)
    told = process.stderr.read()
    assert process.wait() == 75, told
    assert "give the same command again" in told
    assert not read_signs(tmp_path / "runs")
    status = Watch(tmp_path / "runs").look()
    assert status.count("stopped") >= 1
    process = start(grid, *words, train=train)
    assert "3 runs, of which" in process.stderr.read()
    assert process.wait() == 0
    assert all_results(tmp_path / "runs") == run_here(grid, train=train)


def test_failed_cells_are_told_at_the_end_and_an_amended_sweep_does_what_is_new(start, tmp_path):
    grid = {"train.lr": [1e30, 0.001]}
    process = start(grid, "--retries", "0")
    told = process.stderr.read()
    assert process.wait() == 1
    assert "Failed: train.lr=1e+30: the loss is" in told
    assert told.strip().endswith(
        "1 of 2 runs failed, each with the reason above; the others are finished; "
        "mend what is wrong, and give the same command again"
    )
    process = start({"train.lr": [0.001, 0.002]})
    assert "2 runs, of which 1 are finished" in process.stderr.read()
    assert process.wait() == 0
    shown = subprocess.run(
        [sys.executable, "-m", "clnorm", "watch", str(tmp_path / "runs"), "--json"],
        capture_output=True,
        check=True,
    )
    states = {cell["name"]: cell["state"] for cell in json.loads(shown.stdout)["cells"]}
    assert states == {"train.lr=0.001": "finished", "train.lr=0.002": "finished"}, "what the sweep given last is about"


@pytest.mark.parametrize(("memory", "count"), [(1000.0, 6), (24.0, 6), (23.9, 5), (3.0, 1), (None, 1)])
def test_there_is_a_process_a_core_as_far_as_memory_allows(monkeypatch, memory, count):
    monkeypatch.setattr("clnorm.launch.local.os.sched_getaffinity", lambda pid: set(range(6)))
    monkeypatch.setattr("clnorm.launch.local.free_memory_gb", lambda: memory)
    assert count_fitting() == count


@pytest.mark.parametrize(
    ("given", "processes", "gpus", "threads"),
    [("", 0, 0, 1), ("", 2, 0, 3), ("", 0, 2, 3), ("", 1, 0, 6), ("", 9, 0, 1), ("4", 2, 0, 4), ("x", 2, 0, 3)],
)
def test_threads_depend_on_the_machine_alone(monkeypatch, given, processes, gpus, threads):
    monkeypatch.setattr("clnorm.launch.local.os.sched_getaffinity", lambda pid: set(range(6)))
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert count_threads(processes, ["0", "1"][:gpus]) == threads


@pytest.mark.parametrize("cells", [["ln"], ["ln", "cn"]])
def test_what_is_left_of_a_sweep_has_as_many_threads_as_the_whole_one(tiny, monkeypatch, cells):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("clnorm.launch.local.os.sched_getaffinity", lambda pid: set(range(6)))
    lines = preview([tiny(norm=norm) for norm in cells], "local").splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["OMP_NUM_THREADS=1"] * len(cells)


def test_workers_begin_at_different_cells():
    assert divide([0, 1, 2, 5], 2) == [[0, 1, 2, 5], [2, 5, 0, 1]]
    assert divide([3], 1) == [[3]]


@pytest.mark.parametrize(
    ("text", "gpus"), [("", []), ("-1", []), ("0", ["0"]), ("0,2", ["0", "2"]), ("GPU-a", ["GPU-a"])]
)
def test_the_gpus_are_those_that_the_process_may_use(monkeypatch, text, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
    assert list_gpus() == gpus
