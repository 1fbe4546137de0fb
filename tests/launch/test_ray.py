"""What is handed to Ray, and what becomes of a task that ends before its runs are done; with a stand-in for Ray."""

import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from clnorm.catalogue import LAUNCHERS
from clnorm.errors import ClnormError, UserError
from clnorm.launch.job import Job
from clnorm.launch.manifest import write_manifest
from clnorm.launch.notes import Failures
from clnorm.launch.plan import plan_sweep
from clnorm.launch.ray_task import run_command
from clnorm.training.states.stopping import StoppedError

NORMS = [{"norm": norm} for norm in ("bn", "cn", "gn")]


class NodeDiedError(Exception):
    """As Ray's, where nodes died more often than a task is begun anew."""


class FakeRay:
    """A cluster whose tasks end at once.

    Args:
        happen: given the indices of a task's cells, as text; gives its exit code, or an error that is raised.
        nodes: what each of them has.
        clusters: the addresses that answer.
    """

    exceptions = SimpleNamespace(RayError=NodeDiedError)

    def __init__(self, happen, nodes=({"CPU": 2.0},), clusters=("auto",)):
        self.words, self.options, self.cancelled, self.addresses = [], {}, [], []
        self._happen, self._nodes, self._clusters, self.is_up = happen, nodes, clusters, False

    def init(self, address, **given):
        self.addresses.append(address)
        if address not in (*self._clusters, "local"):
            raise ConnectionError("no cluster")
        self.is_up = True
        return SimpleNamespace(address_info={"address": "here"})

    def nodes(self):
        return [{"Alive": True, "Resources": resources} for resources in self._nodes]

    def remote(self, function):
        assert function is run_command, "nothing of clnorm is sent but the name of this function"
        return SimpleNamespace(options=self._with_options)

    def _with_options(self, **options):
        self.options = options
        return SimpleNamespace(remote=self._submit)

    def _submit(self, words, folder, log):
        assert folder == os.getcwd()
        self.words.append(words)
        return len(self.words) - 1

    def wait(self, tasks, num_returns, timeout):
        return tasks, []

    def get(self, task):
        words = self.words[task]
        end = self._happen(words[words.index("--index") + 1])
        if isinstance(end, Exception):
            raise end
        return end

    def cancel(self, task):
        self.cancelled.append(task)

    def shutdown(self):
        self.is_up = False


@pytest.fixture
def cells(plan):
    return plan(*NORMS).cells


@pytest.fixture
def launch(cells, notes, monkeypatch):
    """Gives cells to the launcher."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def run(fake, options="", **more):
        monkeypatch.setitem(sys.modules, "ray", fake)
        job = Job(write_manifest(cells), dict(enumerate(cells)), 1, notes, lambda status: None, **more)
        return LAUNCHERS.parse(f"ray:{options}").build(job)

    return run


@pytest.fixture
def finishing(cells, write_record):
    """Makes what happens to a task: the runs of its cells get finished, or what is told for the first times."""

    def install(*ends):
        left = list(ends)

        def happen(text):
            if left:
                return left.pop(0)
            for part in text.split(","):
                first, _, last = part.partition("-")
                for index in range(int(first), int(last or first) + 1):
                    write_record(cells[index])
                    Failures(cells[index].config.out).forget(cells[index].run)  # as a worker does
            return 0

        return happen

    return install


def test_a_task_takes_what_the_options_say_and_runs_a_worker(launch, finishing, cells, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("CLNORM_OTHER", "x")
    fake = FakeRay(finishing(), nodes=({"CPU": 8.0, "GPU": 2.0},))
    assert launch(fake, "cpus=4,gpus=0.5,bundle=2,restarts=7")
    assert [words[1:6] for words in fake.words] == [
        ["-m", "clnorm", "worker", str(write_manifest(cells)), "--index"],
        ["-m", "clnorm", "worker", str(write_manifest(cells)), "--index"],
    ]
    assert [words[6] for words in fake.words] == ["0-1", "2"]
    environment = fake.options.pop("runtime_env")["env_vars"]
    assert fake.options == {"num_cpus": 4, "num_gpus": 0.5, "max_retries": 7}
    assert environment["OMP_NUM_THREADS"] == "4"
    assert environment["PYTHONPATH"] == "/somewhere"
    assert environment["CLNORM_OTHER"] == "x"
    assert "PATH" not in environment
    assert not fake.is_up


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (-9, "its process was killed by signal 9"),
        (137, "its process ended with code 137"),
        (NodeDiedError("the node\n died"), "Ray: the node died"),
        (75, ""),
    ],
)
def test_a_task_that_ended_too_early_is_begun_anew(launch, finishing, cells, notes, end, why):
    fake = FakeRay(finishing(end))
    assert launch(fake, "bundle=3")
    assert len(fake.words) == 2
    (text,) = [text for text in notes.texts if text.startswith("Begun anew: norm=bn")]
    assert why in text
    assert all(cell.is_finished for cell in cells)


def test_a_cell_that_kills_its_process_fails_and_the_others_are_done(launch, finishing, cells, notes):
    finish = finishing()
    with pytest.raises(ClnormError, match="1 of 3 runs failed"):
        launch(FakeRay(lambda text: -11 if text == "0" else finish(text)))
    assert [cell.is_finished for cell in cells] == [False, True, True]
    assert "Failed, 2 times: norm=bn: its process was killed by signal 11" in " ".join(notes.texts)


def test_no_task_is_begun_for_ever(launch, cells):
    fake = FakeRay(lambda text: 75)
    with pytest.raises(ClnormError, match="3 runs failed"):
        launch(fake, "restarts=2")
    assert len(fake.words) == 9
    assert Failures(cells[0].config.out).find(cells[0].run).what == "its worker was asked to stop 3 times"


def test_failures_that_a_worker_noted_are_told(launch, cells, write_record):
    def happen(text):
        Failures(cells[0].config.out).add(cells[int(text)].run, "no such clips", is_mistake=True)
        return 1

    with pytest.raises(ClnormError, match="3 of 3 runs failed"):
        launch(fake := FakeRay(happen))
    assert len(fake.words) == 3


def test_a_stop_cancels_all_tasks(launch, notes):
    fake = FakeRay(lambda text: 75)
    looks = []

    def wait(tasks, num_returns, timeout):
        looks.append(1)
        if len(looks) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return (tasks if fake.cancelled else []), []

    fake.wait = wait
    with pytest.raises(StoppedError, match="the states of the runs at work are kept; give the same command again"):
        launch(fake)
    assert fake.cancelled == [0, 1, 2]
    assert len(fake.words) == 3
    assert not fake.is_up


def test_a_cluster_is_found_or_started_here(launch, finishing, notes):
    fake = FakeRay(finishing())
    launch(fake)
    assert fake.addresses == ["auto"]
    assert "Ray runs: here" in notes.texts


def test_where_none_is_found_one_is_started_here(launch, finishing, notes):
    fake = FakeRay(finishing(), clusters=())
    launch(fake)
    assert fake.addresses == ["auto", "local"]
    assert "Ray is started here: here" in notes.texts


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "[::1]:9", "127.0.0.1:99999", "nowhere"])
def test_a_named_cluster_that_is_not_there_is_told_and_none_is_started(launch, monkeypatch, address):
    fake = FakeRay(lambda text: 0)
    with pytest.raises(UserError, match=r"the cluster cannot be reached .*; ray status says what is there"):
        launch(fake, f"address={address}")
    assert "local" not in fake.addresses
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UserError, match="the cluster cannot be reached"):
        launch(fake)
    assert "local" not in fake.addresses


def test_without_ray_the_line_to_install_it_is_told(launch):
    with pytest.raises(UserError, match=r"Ray is not installed here; pip install 'clnorm\[ray\]'"):
        launch(None)


def test_nodes_that_are_too_small_are_an_error_here_and_a_wait_elsewhere(launch, finishing, notes):
    fake = FakeRay(finishing(), clusters=())
    with pytest.raises(UserError, match=r"no node has 1 CPU cores and 0\.5 GPUs, which a task takes"):
        launch(fake, "gpus=0.5")
    assert not fake.is_up
    launch(FakeRay(finishing()), "gpus=0.5")
    assert any(text.startswith("Waiting: no node has 1 CPU cores and 0.5 GPUs") for text in notes.texts)


def test_a_precision_that_each_machine_chooses_is_refused(tiny, notes):
    cells = plan_sweep([tiny(train__precision="auto")], reporter=notes).cells
    with pytest.raises(UserError, match=r"train\.precision=auto is another precision"):
        LAUNCHERS.parse("ray").build(Job(write_manifest(cells), {0: cells[0]}, 1, notes, print))


def test_a_dry_run_prints_the_tasks_and_needs_no_ray(launch):
    texts = []
    assert launch(None, "cpus=2,gpus=0.5,bundle=2", preview=texts.append)
    first, second = texts[0].splitlines()
    assert first.startswith(f"OMP_NUM_THREADS=2 {sys.executable} -m clnorm worker ")
    assert first.endswith("--index 0-1 --retries 1  # takes of a node 2 CPU cores and 0.5 GPUs")
    assert "--index 2 " in second


@pytest.fixture
def _short(monkeypatch):
    monkeypatch.setattr("clnorm.launch.ray_task._EVERY", 0.01)


@pytest.mark.usefixtures("_short")
def test_a_command_runs_in_its_folder_and_its_output_is_kept(tmp_path):
    log = tmp_path / "log"
    assert run_command(["bash", "-c", "pwd; echo no >&2; exit 3"], str(tmp_path), str(log)) == 3
    assert run_command(["bash", "-c", "kill -9 $$"], str(tmp_path), str(log)) == -9
    assert log.read_text().splitlines() == [str(tmp_path), "no"]


@pytest.fixture
def _in_the_background():
    """Interrupts are ignored, as by what a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_short", "_in_the_background")
def test_a_cancelled_command_is_asked_to_stop_and_waited_for(tmp_path):
    log = tmp_path / "log"
    words = ["bash", "-c", "trap 'echo told; exit 75' TERM; echo begun; for i in $(seq 600); do sleep 0.05; done"]

    def cancel():
        while "begun" not in (log.read_text() if log.exists() else ""):
            time.sleep(0.02)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=cancel)
    thread.start()
    assert run_command(words, str(tmp_path), str(log)) == 75
    thread.join()
    assert log.read_text().splitlines() == ["begun", "told"]
