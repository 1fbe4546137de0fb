"""A sweep on a Ray cluster: each task runs `clnorm worker` on a bundle of cells, as a process of its own."""

import logging
import os
import shlex
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clnorm.errors import ClnormError, UserError
from clnorm.launch.job import Job, refuse_automatic
from clnorm.launch.manifest import FOLDER
from clnorm.launch.notes import Failures
from clnorm.launch.ray_task import run_command
from clnorm.launch.waiting import run_workers

_WHERE = "--launcher ray"
_EVERY = 1.0  # seconds between two looks
_STOPPED = 75  # the exit code of a worker that was asked to stop


def ray(
    job: Job, *, address: str = "auto", cpus: int = 1, gpus: float = 0.0, bundle: int = 1, restarts: int = 3
) -> bool:
    """Run the cells of a job on a cluster, and wait for them: True.

    The nodes see the results folder and this Python under the same paths; nothing but these is told to them.

    Args:
        job: the unfinished cells.
        address: of the cluster; `auto` is one that Ray finds here, else one of this machine, started for the sweep.
        cpus: cores and threads of a task.
        gpus: GPUs of a task, or the share of one.
        bundle: cells of a task.
        restarts: how often a task is begun anew where its node or its process dies.

    Raises:
        UserError: Ray is not installed, the cluster is not there, or its nodes are too small.
        FailedCellsError: some cells failed.
        StoppedError: this process was asked to stop; all runs at work keep their states.
    """
    refuse_automatic(job, where=_WHERE)
    need = _Need(cpus, gpus)
    if job.preview is not None:
        job.preview("\n".join(need.describe(job.command(indices)) for indices in job.bundle(bundle)))
        return True
    with _connected(address, job, need) as slots:
        tasks, bundles = _Tasks(job, need, restarts), job.bundle(bundle, at_once=slots)
        run_workers(job, start=lambda: tasks.start_all(bundles), are_left=tasks.are_left, stop=tasks.stop)
    return True


@dataclass(frozen=True)
class _Need:
    """What a task takes of a node."""

    cpus: int
    gpus: float

    def describe(self, command: list[str]) -> str:
        """The command as a shell would run it, and what it takes."""
        return f"OMP_NUM_THREADS={self.cpus} {shlex.join(command)}  # takes of a node {self.text}"

    @property
    def text(self) -> str:
        return f"{self.cpus} CPU cores" + (f" and {self.gpus:g} GPUs" if self.gpus else "")

    def count_slots(self, nodes: list[dict[str, Any]]) -> int:
        """How many tasks the nodes hold at a time."""
        found = 0
        for node in nodes:
            there = node["Resources"] if node["Alive"] else {}
            slots = [there.get("CPU", 0.0) / self.cpus, *([there.get("GPU", 0.0) / self.gpus] if self.gpus else [])]
            found += int(min(slots))
        return found


@contextmanager
def _connected(address: str, job: Job, need: _Need) -> Iterator[int]:
    """A connection to the cluster, with the number of tasks that it holds at a time."""
    try:
        import ray as library
    except ImportError as error:
        hint = "pip install 'clnorm[ray]', or choose --launcher local"
        raise UserError("Ray is not installed here", where=_WHERE, hint=hint) from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    named = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        _check_answers(named)
        started = False
        try:
            found = library.init(address=named, **quiet)
        except ConnectionError:
            if named != "auto":
                raise
            cores = len(os.sched_getaffinity(0))
            found, started = library.init(address="local", num_cpus=cores, include_dashboard=False, **quiet), True
    except (ValueError, RuntimeError, OSError, OverflowError) as error:
        what = f"the cluster cannot be reached ({' '.join(str(error).split())})"
        raise UserError(what, where=f"{_WHERE}: address {named}", hint="ray status says what is there") from error
    try:
        place = found.address_info["address"]  # type: ignore[attr-defined]
        job.reporter.note(f"Ray {'is started here' if started else 'runs'}: {place}")
        slots = need.count_slots(library.nodes())
        if not slots:
            what = f"no node has {need.text}, which a task takes"
            if started:
                raise UserError(what, where=_WHERE, hint="lower cpus or gpus, or name the address of a cluster")
            job.reporter.note(f"Waiting: {what}.")  # a cluster may grow
        yield slots
    finally:
        library.shutdown()


def _check_answers(address: str) -> None:
    """Raise an `OSError` where a host and port do not answer, which Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


class _Tasks:
    """The tasks of a job; one whose process ends before its cells are done is begun anew."""

    def __init__(self, job: Job, need: _Need, restarts: int) -> None:
        import ray as library

        self._library, self._job, self._restarts = library, job, restarts
        self._failures = Failures(job.out)
        self._logs = Path(job.out).expanduser().absolute() / FOLDER / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        passed = {name: value for name, value in os.environ.items() if name.startswith("CLNORM_")}
        passed |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        self._remote = library.remote(run_command).options(
            num_cpus=need.cpus,
            num_gpus=need.gpus,
            max_retries=restarts,
            runtime_env={"env_vars": {**passed, "OMP_NUM_THREADS": str(need.cpus)}},
        )
        self._running: dict[Any, list[int]] = {}
        self._begun = Counter[int]()  # by the first cell of a bundle
        self._stopping = False

    def start_all(self, bundles: Sequence[list[int]]) -> None:
        for indices in bundles:
            self.start(indices)

    def start(self, indices: list[int]) -> None:
        """Hand a bundle to the cluster."""
        self._begun[indices[0]] += 1
        words = self._job.command(indices)
        task = self._remote.remote(words, str(Path.cwd()), str(self._log(indices)))
        self._running[task] = indices

    def stop(self) -> None:
        """Ask all to stop, once."""
        if not self._stopping:
            for task in self._running:
                self._library.cancel(task)
        self._stopping = True

    def are_left(self) -> bool:
        """Wait a moment; whether any task is left. Those that ended are seen to."""
        ended, _ = self._library.wait(list(self._running), num_returns=len(self._running), timeout=_EVERY)
        for task in ended:
            indices = self._running.pop(task)
            why = self._read_end(task, indices)
            if not self._stopping:
                self._settle(indices, why)
        return bool(self._running)

    def _read_end(self, task: Any, indices: list[int]) -> str:
        """Why a task ended before its cells were done; empty where its worker was asked to stop."""
        try:
            code = self._library.get(task)
        except self._library.exceptions.RayError as error:
            return f"Ray: {' '.join(str(getattr(error, 'cause', None) or error).split())}"
        if code == _STOPPED:
            return ""
        end = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"its process {end}; see {self._log(indices)}"

    def _settle(self, indices: list[int], why: str) -> None:
        """Begin a bundle anew where cells of it are left, and count a failure for the first of them."""
        left = [index for index in indices if self._is_left(index)]
        if not left:
            return
        if self._begun[indices[0]] > self._restarts:
            for index in left:
                what = why or f"its worker was asked to stop {self._begun[indices[0]]} times"
                self._failures.add(self._job.cells[index].run, what, is_mistake=False)
            return
        if why:
            self._failures.add(self._job.cells[left[0]].run, why, is_mistake=False)
        self._job.reporter.note(f"Begun anew: {self._job.cells[left[0]].name}{f': {why}' if why else ''}")
        self.start(indices)

    def _is_left(self, index: int) -> bool:
        cell = self._job.cells[index]
        failure = self._failures.find(cell.run)
        if failure is not None and failure.is_final(self._job.retries):
            return False
        try:
            return not cell.is_finished
        except ClnormError:
            return True

    def _log(self, indices: list[int]) -> Path:
        return self._logs / f"ray-{self._job.manifest.stem}-{indices[0]}.log"
