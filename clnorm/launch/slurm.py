"""A sweep on a Slurm cluster: arrays of jobs, each task of which runs `clnorm worker` on a bundle of cells.

Plain `sbatch` is all that it takes: a job is a command and the indices of its cells, so that nothing is pickled and a
job that waits for days reads the sealed manifest that it was submitted with.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clnorm.errors import ClnormError
from clnorm.launch.job import Job, refuse_automatic, write_indices
from clnorm.launch.notes import Failures
from clnorm.launch.plan import Cell
from clnorm.launch.prepare import list_unprepared
from clnorm.launch.slurm_queue import Queue, SlurmError, Submission, cancel, read_array_limit
from clnorm.launch.slurm_script import WHERE, Request, write_script
from clnorm.launch.status import Watch
from clnorm.launch.worker import refuse_failures
from clnorm.training.states.stopping import StoppedError, StopRequest, wait_for_signals

_EVERY = 20.0  # seconds between two looks at the queue
_PREVIEWED = "clnorm"  # the name of a job in a dry run


def slurm(
    job: Job,
    *,
    partition: str = "auto",
    account: str = "auto",
    qos: str = "auto",
    minutes: int = 0,
    lead: int = 120,
    cpus: int = 1,
    gpus: int = 0,
    memory_gb: float = 0.0,
    more: str = "none",
    bundle: int = 1,
    at_most: int = 0,
    restarts: int = 20,
    wait: bool = False,
) -> bool:
    """Submit those cells of a job that no array has already; whether all are finished, which only `wait` waits for.

    Args:
        job: the unfinished cells.
        bundle: cells of a task.
        at_most: tasks at a time; 0 is any number.
        restarts: how often a task whose limit is near goes back into the queue, and, with `wait`, cells whose jobs
            were lost are submitted.
        wait: whether to wait until all cells are finished or have failed.
        partition, account, qos, minutes, lead, cpus, gpus, memory_gb, more: what a job asks for, as in the catalogue.

    Raises:
        UserError: Slurm refuses the jobs.
        ClnormError: there is no Slurm here, or cells are not finished after all restarts.
        FailedCellsError: with `wait`: some failed.
        StoppedError: with `wait`: this process was asked to stop; the jobs go on.
    """
    refuse_automatic(job, where=WHERE)
    request = Request(
        partition=partition,
        account=account,
        qos=qos,
        minutes=minutes,
        lead=lead,
        cpus=cpus,
        gpus=gpus,
        memory_gb=memory_gb,
        more=more,
    )
    arrays = _Arrays(job, request, bundle=bundle, at_most=at_most, restarts=restarts)
    if job.preview is not None:
        job.preview(arrays.describe())
        return False
    arrays.submit(job.cells)
    if wait:
        with wait_for_signals(job.reporter) as stop:
            _wait(job, arrays, stop, restarts=restarts)
        refuse_failures(list(job.cells.values()), job.reporter)
    return wait


@dataclass
class _Arrays:
    """The arrays of a job."""

    job: Job
    request: Request
    bundle: int
    at_most: int
    restarts: int

    def __post_init__(self) -> None:
        self.queue = Queue(self.job.out)

    def describe(self) -> str:
        """The script of an array of all cells; submitting cuts it where it is longer than the cluster takes."""
        return self._write(_PREVIEWED, self.job.bundle(self.bundle, at_once=self.at_most))

    def submit(self, cells: Mapping[int, Cell]) -> None:
        """Submit those of the cells that no job has; raises as `slurm`."""
        with self.queue.held():
            queued = self._ask_queue(cells)
            left = {index: cell for index, cell in cells.items() if cell.run not in queued}
            if queued:
                states = ", ".join(f"{count} {state}" for state, count in Counter(queued.values()).most_common())
                self.job.reporter.note(f"{len(queued)} runs are in jobs already: {states}.")
            if left:
                self._submit(left)

    def _ask_queue(self, cells: Mapping[int, Cell]) -> dict[str, str]:
        try:
            return self.queue.list_queued({cell.run: cell for cell in cells.values()})
        except SlurmError as error:
            # Two jobs with one run cost time, and no more: the second one finds the run held, or finished.
            self.job.reporter.note(f"Which runs are in jobs already is not known ({error}): all of them are submitted.")
            return {}

    def _submit(self, cells: Mapping[int, Cell]) -> None:
        bundles = self.job.bundle(self.bundle, at_once=self.at_most, only=cells)
        most = read_array_limit()
        parts = [bundles[start : start + most] for start in range(0, len(bundles), most)]
        before = self._prepare(cells) if len(bundles) > 1 else None
        submitted: list[str] = []
        for part in parts:
            # The cap is of an array, so that one array begins where the other is over.
            after = submitted[-1] if submitted and self.at_most else before
            try:
                submitted.append(self._submit_array(part, after=after))
            except ClnormError:
                if submitted:
                    self.job.reporter.note(f"Submitted before that: {', '.join(submitted)}.")
                elif before is not None:
                    cancel(before)
                raise
        jobs = "job" if len(submitted) == 1 else "jobs"
        logs = f"logs: {self.queue.folder}"
        self.job.reporter.note(
            f"Submitted {len(cells)} runs in {len(bundles)} tasks: Slurm {jobs} {', '.join(submitted)}; {logs}"
        )

    def _prepare(self, cells: Mapping[int, Cell]) -> str | None:
        """Submit a job that decodes the clips that all others wait for; gives its id, None where nothing is missing."""
        missing = list_unprepared(cells)
        if not missing:
            return None
        job = self._submit_array([missing], prepare=True)
        self.job.reporter.note(f"Slurm job {job} decodes the clips first; the runs begin when it is over.")
        return job

    def _submit_array(self, bundles: Sequence[list[int]], *, after: str | None = None, prepare: bool = False) -> str:
        name = self.queue.name_next(self.job.manifest)
        runs = [] if prepare else [[self.job.cells[index].run for index in bundle] for bundle in bundles]
        return self.queue.submit(Submission(name, runs), self._write(name, bundles, prepare=prepare), after=after)

    def _write(self, name: str, bundles: Sequence[list[int]], *, prepare: bool = False) -> str:
        return write_script(
            name,
            [*self.job.write_command("$index"), *(["--prepare"] if prepare else [])],
            [write_indices(bundle) for bundle in bundles],
            request=self.request,
            logs=self.queue.folder,
            at_most=self.at_most,
            restarts=self.restarts,
        )


def _wait(job: Job, arrays: _Arrays, stop: StopRequest, *, restarts: int) -> None:
    """Wait until no cell is left; those that no job has any more are submitted again."""
    watch, failures, rounds = Watch(job.out), Failures(job.out), 0
    while True:
        status = watch.look()
        job.show(status)
        finished = {cell.run for cell in status.cells if cell.state == "finished"}
        left = {
            index: cell
            for index, cell in job.cells.items()
            if cell.run not in finished and not ((failed := failures.find(cell.run)) and failed.is_final(job.retries))
        }
        if not left:
            return
        lost = _find_lost(arrays.queue, left)
        if lost and rounds == restarts:
            what = f"{len(lost)} runs are not finished, and their jobs are gone, after {restarts} restarts"
            hint = "see the logs there; the same command submits them again"
            raise ClnormError(what, where=str(arrays.queue.folder), hint=hint)
        if lost:
            rounds += 1
            arrays.submit(lost)
        if _pause(stop):
            hint = "the same command waits for them again, and scancel ends them"
            raise StoppedError(f"stopped by {stop.name}; the jobs go on", hint=hint)


def _find_lost(queue: Queue, cells: Mapping[int, Cell]) -> dict[int, Cell]:
    """The cells that no job has; none where Slurm cannot be asked now."""
    try:
        queued = queue.list_queued({cell.run: cell for cell in cells.values()})
    except SlurmError:
        return {}
    # A job may have finished a run since the records were read.
    return {index: cell for index, cell in cells.items() if cell.run not in queued and not cell.is_finished}


def _pause(stop: StopRequest) -> bool:
    """Wait for the next look; whether this process was asked to stop."""
    until = time.monotonic() + _EVERY
    while not stop.name and time.monotonic() < until:
        time.sleep(0.2)
    return bool(stop.name)
