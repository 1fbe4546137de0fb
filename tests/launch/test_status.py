"""How far a sweep is, by what its workers leave in its folder."""

import pytest

from clnorm.launch.manifest import write_manifest
from clnorm.launch.notes import Failures, Telling
from clnorm.launch.status import Watch
from clnorm.progress import Reporter


@pytest.fixture
def cells(plan):
    return plan({"norm": "bn"}, {"norm": "ln"}).cells


@pytest.fixture
def watch(cells):
    write_manifest(cells)
    return Watch(cells[0].config.out)


def test_a_failed_cell_may_be_tried_again_while_a_worker_is_there(watch, cells, write_record):
    write_record(cells[0])
    with Telling(cells[0].config.out, Reporter()):
        Failures(cells[0].config.out).add(cells[1].run, "the disk is full", is_mistake=False)
        status = watch.look()
        assert [cell.state for cell in status.cells] == ["finished", "failed"]
        assert (status.workers, status.is_over) == (1, False)
    status = watch.look()
    assert (status.workers, status.is_over) == (0, True)


def test_a_worker_that_gave_no_sign_for_a_minute_is_gone(watch, cells, monkeypatch):
    with Telling(cells[0].config.out, Reporter()) as telling:
        telling.begin(cells[0].run)
        assert [cell.state for cell in watch.look().cells] == ["running", "waiting"]
        begun = telling._sign["when"]
        monkeypatch.setattr("clnorm.launch.status.time.time", lambda: begun + 61)
        assert [cell.state for cell in watch.look().cells] == ["waiting", "waiting"]
        assert watch.look().workers == 0


def test_the_time_left_is_that_of_the_mean_finished_cell_over_the_workers(watch, cells, write_record):
    assert watch.look().seconds_left is None
    write_record(cells[0])
    with Telling(cells[0].config.out, Reporter()):
        assert watch.look().seconds_left == watch.look().cells[0].seconds
