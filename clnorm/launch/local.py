"""A sweep on this machine: one process, or several that share its cores or its GPUs."""

import os
import shlex
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

from clnorm.environment import free_memory_gb
from clnorm.errors import ClnormError
from clnorm.launch.job import Job
from clnorm.launch.manifest import FOLDER
from clnorm.launch.notes import Failures, forget_worker, read_signs
from clnorm.launch.waiting import run_workers
from clnorm.launch.worker import work

_EVERY = 1.0  # seconds between two looks
_GB_EACH = 4.0  # memory of a process for which there must be room
_DONE = (0, 1)  # exit codes of a worker that tried all of its cells
_STOPPED = (75, -signal.SIGTERM)  # of one that was asked to stop, the second before it could hear that
_MOST_LOST = 3  # times that a worker may end without a run


def local(job: Job, *, processes: int = 0, threads: int = 0) -> bool:
    """Run the cells of a job, and wait for them: True.

    Raises:
        FailedCellsError: some failed.
        StoppedError: this process was asked to stop; all runs at work keep their states.
        ClnormError: the workers could not start.
    """
    gpus = list_gpus()
    threads = threads or count_threads(processes, gpus)
    count = min(processes or len(gpus) or count_fitting(), len(job.cells))
    if processes == 1 and threads == count_threads(1, []):
        if job.preview is not None:
            job.preview(shlex.join(job.command(list(job.cells))))
        else:
            work(list(job.cells.values()), retries=job.retries, reporter=job.reporter)
        return True
    crew = _Crew(job, count=count, threads=threads, gpus=gpus)
    if job.preview is not None:
        job.preview(crew.describe())
        return True
    run_workers(job, start=crew.start, are_left=crew.are_left, stop=crew.stop)
    return True


def list_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them, without torch, which loads for long."""
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in chosen.split(",") if name.strip() not in ("", "-1")]
    try:
        command = ["nvidia-smi", "-L"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(index) for index, line in enumerate(told.splitlines()) if line.startswith("GPU ")]


def count_threads(processes: int, gpus: list[str]) -> int:
    """CPU threads of a process, by `OMP_NUM_THREADS` or the cores that each has.

    Not by what is left to do, or by the memory that is free: sums are rounded by how many threads make them, and a
    sweep that goes on is to go on with the same bits.
    """
    cores, given = len(os.sched_getaffinity(0)), os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else max(cores // (processes or len(gpus) or cores), 1)


def count_fitting() -> int:
    """Processes that this machine's CPU takes: one a core, which is faster than one with all cores, as far as memory
    allows. Without a figure of the free memory, one.
    """
    cores, free = len(os.sched_getaffinity(0)), free_memory_gb()
    return max(min(cores, int(free // _GB_EACH)), 1) if free is not None else 1


class _Crew:
    """The worker processes. One that ends before its time is replaced; the cell that it was at has failed once, unless
    it was asked to stop.
    """

    def __init__(self, job: Job, *, count: int, threads: int, gpus: list[str]) -> None:
        self._job, self._threads, self._gpus = job, threads, gpus
        self._orders = divide(list(job.cells), count)
        self._logs = Path(job.out).expanduser() / FOLDER / "logs"
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._ended: list[tuple[int, int, int]] = []  # number, process and exit code of those to replace
        self._lost = Counter[int]()  # how often each number's worker ended without a run
        self._stopping = False

    def describe(self) -> str:
        """The commands of all workers, a line each."""
        lines = []
        for number, order in enumerate(self._orders):
            settings = [f"{name}={shlex.quote(value)}" for name, value in self._settings(number).items()]
            lines.append(" ".join([*settings, shlex.join(self._job.command(order))]))
        return "\n".join(lines)

    def start(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        for number in range(len(self._orders)):
            self._start(number)

    def stop(self) -> None:
        """Ask all to stop, once."""
        if not self._stopping:
            for worker in self._workers.values():
                worker.send_signal(signal.SIGTERM)
        self._stopping = True

    def are_left(self) -> bool:
        """Wait a moment; whether any process is left, or to be started again.

        Those that end before their time are replaced a moment later: what ended them may end this process, too.
        """
        time.sleep(_EVERY)
        ended, self._ended = self._ended, []
        for number, pid, code in ended:
            if self._stopping:
                forget_worker(self._job.out, _name(pid))  # left by one that could not hear it yet
            else:
                self._replace(number, pid, code)
        for number, worker in list(self._workers.items()):
            end = worker.poll()
            if end is not None:
                del self._workers[number]
                self._ended += [] if end in _DONE else [(number, worker.pid, end)]
        return bool(self._workers or self._ended)

    def _settings(self, number: int) -> dict[str, str]:
        """What a worker finds in its environment beside what this process has there."""
        gpu = {"CUDA_VISIBLE_DEVICES": self._gpus[number % len(self._gpus)]} if self._gpus else {}
        return {"OMP_NUM_THREADS": str(self._threads), **gpu}

    def _start(self, number: int) -> None:
        with (self._logs / f"worker-{number}.log").open("ab") as log:
            # In a session of its own, so that Ctrl-C reaches it through this process alone.
            self._workers[number] = subprocess.Popen(  # noqa: S603 - this Python, and words of clnorm's own
                self._job.command(self._orders[number]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._settings(number)},
                start_new_session=True,
            )

    def _replace(self, number: int, pid: int, code: int) -> None:
        worker = _name(pid)
        runs = [sign.run for sign in read_signs(self._job.out) if sign.worker == worker and sign.run]
        forget_worker(self._job.out, worker)
        log = self._logs / f"worker-{number}.log"
        why = f"its process was killed by signal {-code}" if code < 0 else f"its process ended with code {code}"
        self._lost[number] += not runs
        by_itself = code > 0 and code not in _STOPPED
        if not runs and (by_itself or self._lost[number] > _MOST_LOST):
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it left no word"]
            raise ClnormError(f"a worker ended with code {code}: {last[0]}", where=str(log))
        if runs and code not in _STOPPED:
            Failures(self._job.out).add(runs[0], f"{why}; see {log}", is_mistake=False)
        self._job.reporter.note(f"Worker {number} is started anew: {', '.join([*runs, why])}.")
        self._start(number)


def _name(pid: int) -> str:
    """What a worker of this machine calls itself in its signs."""
    return f"{socket.gethostname()}-{pid}"


def divide(indices: list[int], count: int) -> list[list[int]]:
    """All indices for each of `count` workers, each beginning at another place, where it does not meet the others."""
    starts = [len(indices) * number // count for number in range(count)]
    return [indices[start:] + indices[:start] for start in starts]
