"""Workers that this process starts and waits for."""

from collections.abc import Callable
from pathlib import Path

from clnorm.errors import ClnormError
from clnorm.launch.job import Job
from clnorm.launch.manifest import FOLDER
from clnorm.launch.status import Watch
from clnorm.launch.worker import refuse_failures
from clnorm.training.states.stopping import StoppedError, wait_for_signals


def run_workers(job: Job, *, start: Callable[[], None], are_left: Callable[[], bool], stop: Callable[[], None]) -> None:
    """Start workers, and show how far all cells are until none is left. Where that fails, no worker stays behind.

    Args:
        job: what they work on.
        start: starts them.
        are_left: waits a moment; whether any worker is left.
        stop: asks all of them to stop; called again, it does nothing.

    Raises:
        FailedCellsError: cells failed.
        StoppedError: this process was asked to stop; the runs at work keep their states.
        ClnormError: the workers ended, and cells are neither finished nor known to have failed.
    """
    watch = Watch(job.out)
    with wait_for_signals(job.reporter) as request:
        try:
            start()
            while are_left():
                job.show(watch.look())
                if request.name:
                    stop()
        except BaseException:
            stop()
            while are_left():
                pass
            raise
    job.show(watch.look())
    if request.name:
        raise StoppedError(f"stopped by {request.name}; the states of the runs at work are kept")
    refuse_failures(list(job.cells.values()), job.reporter)
    if left := [cell for cell in job.cells.values() if not cell.is_finished]:
        what = f"all workers ended, and {len(left)} of {len(job.cells)} runs are not finished, such as {left[0].name}"
        logs = Path(job.out).expanduser() / FOLDER / "logs"
        raise ClnormError(what, where=str(logs), hint="the logs there say why; give the same command again")
