"""Workers that are waited for: none stays behind where waiting fails."""

from dataclasses import replace

import pytest

from clnorm.errors import ClnormError
from clnorm.launch.job import Job
from clnorm.launch.manifest import write_manifest
from clnorm.launch.notes import Failures
from clnorm.launch.waiting import run_workers
from clnorm.launch.worker import FailedCellsError


@pytest.fixture
def job(plan, notes):
    cells = plan({"norm": "bn"}, {"norm": "cn"}).cells
    return Job(write_manifest(cells), dict(enumerate(cells)), 0, notes, lambda status: None)


class Workers:
    """Two of them; one ends at each look, but while they are not asked to stop only the first does."""

    def __init__(self, *, patient):
        self.left, self.stops, self.patient = 2, 0, patient

    def start(self):
        self.started = True

    def stop(self):
        self.stops += 1

    def are_left(self):
        if self.left > 1 or self.stops or not self.patient:
            self.left -= 1
        return self.left > 0


def wait(job, workers):
    run_workers(job, start=workers.start, are_left=workers.are_left, stop=workers.stop)


def test_it_returns_when_none_is_left_and_shows_the_end(job, write_record):
    shown, workers = [], Workers(patient=False)
    for cell in job.cells.values():
        write_record(cell)
    wait(replace(job, show=shown.append), workers)
    assert workers.left == 0
    assert workers.stops == 0
    assert [status.count("finished") for status in shown] == [2, 2]


def test_cells_that_no_worker_finished_are_told(job, write_record):
    write_record(job.cells[0])
    with pytest.raises(ClnormError, match="all workers ended, and 1 of 2 runs are not finished, such as norm=cn"):
        wait(job, Workers(patient=False))


@pytest.mark.parametrize("error", [OSError("the folder is gone"), KeyboardInterrupt()])
def test_workers_are_stopped_and_waited_for_where_showing_fails(job, error):
    def show(status):
        raise error

    workers = Workers(patient=True)
    with pytest.raises(type(error)):
        wait(replace(job, show=show), workers)
    assert workers.stops == 1
    assert workers.left == 0


def test_failed_cells_are_told_at_the_end(job):
    Failures(job.out).add(job.cells[1].run, "full", is_mistake=False)
    with pytest.raises(FailedCellsError, match="1 of 2 runs failed"):
        wait(job, Workers(patient=False))
