"""What becomes of worker processes that end before their time."""

import signal
import sys
from pathlib import Path

import pytest

from clnorm.errors import ClnormError
from clnorm.launch.job import Job
from clnorm.launch.local import local
from clnorm.launch.manifest import write_manifest
from clnorm.launch.notes import Failures, read_signs
from clnorm.launch.worker import FailedCellsError
from clnorm.training.states.stopping import StoppedError

# Ends with the next word of the file `ends`, and with 0 when there is none left.
WORKER = """
import json, os, pathlib, signal, socket, time
file = pathlib.Path({ends!r})
first, *rest = file.read_text().split() or ["0"]
file.write_text(" ".join(rest))
print("worker says", first, flush=True)
sign = {{"worker": f"{{socket.gethostname()}}-{{os.getpid()}}", "run": "", "when": time.time()}}
(pathlib.Path({signs!r}) / f"{{sign['worker']}}.json").write_text(json.dumps(sign))
if int(first) < 0:
    os.kill(os.getpid(), -int(first))
raise SystemExit(int(first))
"""


@pytest.fixture
def crew(plan, notes, tmp_path, monkeypatch):
    """Runs a sweep of one cell, whose worker ends with each of the codes given, one after the other."""
    monkeypatch.setattr("clnorm.launch.local._EVERY", 0.05)
    cell = plan({"norm": "bn"}).cells[0]

    def run(*codes, show=lambda status: None):
        ends = tmp_path / "ends"
        ends.write_text(" ".join(map(str, codes)))
        signs = Path(cell.config.out, ".sweep", "workers")
        signs.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", WORKER.format(ends=str(ends), signs=str(signs))]
        monkeypatch.setattr(Job, "command", lambda self, indices: command)
        return local(Job(write_manifest([cell]), {0: cell}, 1, notes, show), processes=2)

    run.cell = cell
    return run


@pytest.mark.parametrize("code", [75, -15, -9])
def test_a_worker_that_was_stopped_or_killed_without_a_run_is_started_anew(crew, notes, write_record, code):
    write_record(crew.cell)
    assert crew(code, code, 0)
    assert sum("Worker 0 is started anew" in text for text in notes.texts) == 2
    assert Failures(crew.cell.config.out).find(crew.cell.run) is None


def test_not_for_ever(crew):
    with pytest.raises(ClnormError, match="a worker ended with code -9: worker says -9"):
        crew(*[-9] * 9)


def test_a_worker_that_cannot_start_is_not_tried_again(crew, notes):
    with pytest.raises(ClnormError, match=r"worker-0\.log: a worker ended with code 2: worker says 2"):
        crew(2)
    assert not notes.texts


@pytest.mark.parametrize("code", [0, 1])
def test_a_run_that_no_worker_finished_is_not_taken_for_finished(crew, code):
    with pytest.raises(ClnormError, match="all workers ended, and 1 of 1 runs are not finished") as told:
        crew(code)
    assert not isinstance(told.value, FailedCellsError)


@pytest.mark.parametrize("code", [75, -15])
def test_what_ends_all_processes_at_once_is_a_stop(crew, notes, code):
    """The workers are seen to end before this process hears that it is to stop as well."""

    heard = []

    def hear(status):
        if not heard:
            heard.append(status)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StoppedError, match="stopped by SIGTERM"):
        crew(code, show=hear)
    assert not any("started anew" in text for text in notes.texts)
    assert not read_signs(crew.cell.config.out)
