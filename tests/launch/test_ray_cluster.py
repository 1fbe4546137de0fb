"""A sweep on a real Ray cluster of two nodes, one of which dies; nothing is lost or done twice."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from clnorm.launch.notes import read_signs
from clnorm.launch.status import Watch
from tests.launch.test_local import all_results, run_here, start, wait_for  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow

GRID = {"norm": ["ln", "bn", "cn"], "strategy": ["naive", "replay"]}
EPOCHS = {"train": {"epochs": 30}}


@pytest.fixture
def nodes():
    """A cluster of two nodes, each with one CPU; the second one may be removed."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = cluster.add_node(num_cpus=1)
        yield cluster, second
    finally:
        cluster.shutdown()


def processes_below(pid):
    """The numbers of all processes that a process started, and those started."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end meanwhile
            for child in map(int, task.read_text().split()):
                found += [child, *processes_below(child)]
    return found


def kill_node(cluster, node):
    """As where a machine is switched off: all its processes are gone at once."""
    (raylet,) = (info.process.pid for info in node.all_processes["raylet"])
    for pid in processes_below(raylet):
        with suppress(ProcessLookupError):  # it ended with the one above it
            os.kill(pid, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)


def workers_of(node):
    (raylet,) = (info.process.pid for info in node.all_processes["raylet"])
    return set(processes_below(raylet))


def test_a_node_dies_and_its_runs_go_on_elsewhere(nodes, start, run_here, tmp_path):  # noqa: F811
    cluster, second = nodes
    out = tmp_path / "runs"
    process = start(GRID, "--launcher", f"ray:address={cluster.address}", **EPOCHS)

    def is_training():
        pids = workers_of(second)
        return any(sign.done and int(sign.worker.rpartition("-")[2]) in pids for sign in read_signs(out))

    wait_for(is_training)
    kill_node(cluster, second)
    assert Watch(out).look().count("finished") < 6
    told = process.stderr.read()
    assert process.wait() == 0, told
    assert "6 runs are finished" in told
    assert Watch(out).look().count("finished") == 6
    assert all_results(out) == run_here(GRID, **EPOCHS)


def test_a_stopped_sweep_keeps_the_states_of_its_runs(nodes, start, tmp_path):  # noqa: F811
    cluster, _ = nodes
    process = start({"norm": ["ln", "cn"]}, "--launcher", f"ray:address={cluster.address}", train={"epochs": 200})
    wait_for(lambda: len([sign for sign in read_signs(tmp_path / "runs") if sign.done]) == 2)
    process.send_signal(signal.SIGTERM)
    told = process.stderr.read()
    assert process.wait() == 75, told
    assert "give the same command again" in told
    assert Watch(tmp_path / "runs").look().count("stopped") == 2
    assert not read_signs(tmp_path / "runs"), "no worker is left at work"
