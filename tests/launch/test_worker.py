"""The worker: it goes on after whatever happens to a cell, and says all of it at the end."""

import signal

import pytest

import clnorm
from clnorm.errors import ClnormError, UserError
from clnorm.launch.notes import Failures, read_signs
from clnorm.launch.worker import FailedCellsError, work
from clnorm.results.folder import RunFolder, RunIsHeldError
from clnorm.training.states.stopping import StoppedError, wait_for_signals

NORMS = [{"norm": "bn"}, {"norm": "cn"}, {"norm": "gn"}]


def raising(*errors):
    """Raises one error after the other, then nothing."""
    left = list(errors)

    def happen():
        if left:
            raise left.pop(0)

    return happen


def test_a_cell_that_another_process_holds_is_left_and_taken_up_when_the_others_are_done(plan, finish, notes):
    done = finish(bn=raising(RunIsHeldError("another process runs this now", where="runs/x"), RunIsHeldError("held")))
    work(plan(*NORMS).cells, reporter=notes)
    assert done == ["bn", "cn", "gn", "bn", "pause", "bn"]
    assert notes.texts == [
        "[1/3] norm=bn",
        "Left for later: runs/x: another process runs this now.",
        "[2/3] norm=cn",
        "[3/3] norm=gn",
    ], "waiting says nothing twice"


def test_no_cell_begins_once_a_run_that_was_asked_to_stop_is_finished(plan, finish, notes):
    """Such as by a signal that came after its last step."""

    def ask():
        with wait_for_signals(notes):
            signal.raise_signal(signal.SIGTERM)

    done = finish(bn=ask)
    with pytest.raises(StoppedError, match="stopped by SIGTERM when a run was finished; give the same command again"):
        work(plan(*NORMS).cells, reporter=notes)
    assert done == ["bn"]


def test_on_a_machine_that_lacks_a_package_no_cell_counts_as_failed(plan, finish, notes):
    finish(bn=raising(ModuleNotFoundError("No module named 'timm'", name="timm")))
    cells = plan(*NORMS).cells
    with pytest.raises(ModuleNotFoundError):
        work(cells, reporter=notes)
    assert Failures(cells[0].config.out).find(cells[0].run) is None
    finish(bn=raising(*(ModuleNotFoundError("No module named 'mylib'", name="mylib") for _ in range(2))))
    with pytest.raises(FailedCellsError):  # that one is of the cell's own plug-in
        work(cells, reporter=notes)


@pytest.mark.parametrize("error", [ClnormError("the disk is full"), ValueError("odd"), MemoryError("none left")])
def test_a_cell_that_failed_once_is_tried_again_after_the_others(plan, finish, notes, error):
    done = finish(bn=raising(error))
    cells = plan(*NORMS).cells
    work(cells, reporter=notes)
    assert done == ["bn", "cn", "gn", "bn"]
    assert Failures(cells[0].config.out).find(cells[0].run) is None
    assert any("Failed: norm=bn: " in text and str(error) in text for text in notes.texts)


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_no_cell_is_tried_more_often_than_asked_and_all_others_are_done(plan, finish, notes, retries):
    done = finish(bn=raising(*[ClnormError("full")] * 9), gn=raising(UserError("no such data")))
    cells = plan(*NORMS).cells
    with pytest.raises(FailedCellsError, match="2 of 3 runs failed"):
        work(cells, retries=retries, reporter=notes)
    assert done.count("bn") == 1 + retries
    assert done.count("cn") == 1
    assert done.count("gn") == 1, "the user's mistake is there the next time too"
    attempts = f", {retries + 1} times" if retries else ""
    assert notes.texts[-2:] == [f"Failed{attempts}: norm=bn: full", "Failed: norm=gn: no such data"]


def test_failures_of_other_workers_count(plan, finish):
    cells = plan(*NORMS).cells
    Failures(cells[0].config.out).add(cells[0].run, "killed", is_mistake=False)
    Failures(cells[0].config.out).add(cells[0].run, "killed", is_mistake=False)
    done = finish()
    with pytest.raises(FailedCellsError, match="1 of 3"):
        work(cells, retries=1)
    assert done == ["cn", "gn"]


@pytest.mark.parametrize("error", [StoppedError("stopped"), KeyboardInterrupt()])
def test_a_stop_stops_all(plan, finish, error):
    done = finish(cn=raising(error))
    cells = plan(*NORMS).cells
    with pytest.raises(type(error)):
        work(cells)
    assert done == ["bn", "cn"]
    assert read_signs(cells[0].config.out) == []


def test_others_can_read_what_a_worker_is_at(plan, finish):
    cells = plan(*NORMS).cells
    seen = []
    finish(cn=lambda: seen.extend(read_signs(cells[0].config.out)))
    work(cells)
    assert [sign.run for sign in seen] == [cells[1].run]
    assert read_signs(cells[0].config.out) == []


@pytest.mark.slow
def test_a_held_run_is_waited_for(tiny, plan, monkeypatch):
    (cell,) = plan({}).cells
    folder = RunFolder(cell.folder.path)
    holding = folder.locked()
    holding.__enter__()
    monkeypatch.setattr("clnorm.launch.worker.time.sleep", lambda seconds: holding.__exit__(None, None, None))
    work([cell])
    assert cell.is_finished
    assert clnorm.run(cell.config).status == "finished"
