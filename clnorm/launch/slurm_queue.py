"""Slurm's own commands, and notes of what was submitted: which runs each task of an array has."""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from clnorm.errors import ClnormError, UserError
from clnorm.files import replace_file
from clnorm.launch.manifest import FOLDER
from clnorm.launch.slurm_script import WHERE
from clnorm.reading import check_types, read_json

_DEFAULT_ARRAY = 1001  # Slurm's own MaxArraySize
_SECONDS = 60  # that a command of Slurm's may take


@dataclass(frozen=True)
class Submission:
    """An array that was submitted, or is about to be.

    Args:
        name: of its job, which no other one of this folder has.
        tasks: the runs of each task.
    """

    name: str
    tasks: list[list[str]]


class SlurmError(ClnormError):
    """A command of Slurm's failed, with its own words, or is not there."""


class SilentSlurmError(SlurmError):
    """A command of Slurm's did not end in time, so that nobody knows what it did."""


class Queue:
    """The arrays of a results folder.

    Args:
        out: the folder.
    """

    def __init__(self, out: str | Path) -> None:
        self._folder = Path(out).expanduser().absolute() / FOLDER / "slurm"

    @property
    def folder(self) -> Path:
        """Where scripts, notes and logs are."""
        return self._folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder: two sweeps that are given at once submit one after the other.

        Raises:
            UserError: it cannot be written.
        """
        from filelock import FileLock

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder / ".lock")
            lock.acquire()
        except OSError as error:
            what = f"cannot be written ({error.strerror or error})"
            raise UserError(what, where=str(self._folder), hint="choose another --out") from error
        try:
            yield
        finally:
            lock.release()

    def name_next(self, manifest: Path) -> str:
        """A name for a job that was not taken yet."""
        taken = {file.stem for file in self._folder.glob("*.json")} | {file.stem for file in self._folder.glob("*.sh")}
        # Sweeps in several folders may be the same, and jobs are asked for and cancelled by their names.
        place = hashlib.sha256(str(manifest.resolve()).encode()).hexdigest()[:8]
        number = 1
        while (name := f"clnorm-{place}-{number}") in taken:
            number += 1
        return name

    def submit(self, submission: Submission, script: str, *, after: str | None = None) -> str:
        """Submit an array; gives its job's id.

        The note is written first, so that a command which is killed here leaves no job that the next one cannot see.

        Args:
            submission: what is noted.
            script: of the array.
            after: the id of the job that must be over before this one begins.

        Raises:
            UserError: sbatch refuses it, with its own words.
            SlurmError: sbatch is not there, or does not reach the cluster.
            ClnormError: the script cannot be written.
        """
        note, file = (self._folder / f"{submission.name}{suffix}" for suffix in (".json", ".sh"))
        replace_file(file, lambda target: target.write(script.encode()))
        replace_file(note, lambda target: target.write(json.dumps(asdict(submission)).encode()))
        order = [f"--dependency=afterany:{after}"] if after else []
        try:
            # The name once more, since SBATCH_JOB_NAME would win over the script's.
            told = ask(["sbatch", "--parsable", f"--job-name={submission.name}", *order, str(file)])
        except SlurmError as error:
            may_be_there = isinstance(error, SilentSlurmError)  # squeue will know it by the note's name
            if not may_be_there:
                note.unlink()
            if error.hint is not None or "contact" in error.what:  # it is not what was asked for that is wrong
                raise
            raise UserError(error.what, where=error.where, hint=f"the job's script is {file}") from error
        return told.strip().partition(";")[0]

    def list_queued(self, runs: Mapping[str, object]) -> dict[str, str]:
        """Those of the runs that a job which waits or runs has, each with the job's state.

        Raises:
            SlurmError: squeue is not there, or fails.
        """
        noted = [note for file in self._folder.glob("*.json") if (note := _read(file)) is not None]
        tasks = {note.name: note.tasks for note in noted if any(run in runs for task in note.tasks for run in task)}
        if not tasks:
            return {}
        told = ask(["squeue", "--noheader", "--array", "--format=%j|%K|%T|%r", f"--name={','.join(tasks)}"])
        found: dict[str, str] = {}
        for line in told.splitlines():
            name, task, state, why = line.strip().split("|", 3)
            state = state.lower() if why in ("None", "") else f"{state.lower()} ({why})"
            if name in tasks and task.isdecimal() and int(task) < len(tasks[name]):
                found |= dict.fromkeys([run for run in tasks[name][int(task)] if run in runs], state)
        return found


def ask(words: Sequence[str]) -> str:
    """What a command of Slurm's prints.

    Raises:
        SlurmError: it is not there or fails; `SilentSlurmError`: it does not end.
    """
    where = f"{WHERE}: {words[0]}"
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
    except FileNotFoundError as error:
        hint = "give the command on a machine of the cluster that submits jobs, or choose --launcher local"
        raise SlurmError(f"there is no {words[0]} here", where=where, hint=hint) from error
    except subprocess.TimeoutExpired as error:
        what, hint = f"did not answer within {_SECONDS} s", "give the same command again later"
        raise SilentSlurmError(what, where=where, hint=hint) from error
    except OSError as error:
        raise SlurmError(f"cannot be asked ({error})", where=where, hint="give the same command again") from error
    if done.returncode:
        lines = [line.partition("error: ")[2] or line for line in done.stderr.strip().splitlines()]
        raise SlurmError("; ".join(lines) or f"it ended with code {done.returncode}", where=where)
    return done.stdout


def read_array_limit() -> int:
    """The most tasks of an array; Slurm's default where it cannot be asked."""
    try:
        told = ask(["scontrol", "show", "config"])
    except SlurmError:
        return _DEFAULT_ARRAY
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", told, flags=re.MULTILINE)
    return max(int(found[1]), 1) if found else _DEFAULT_ARRAY


def cancel(job: str) -> None:
    """Cancel a job, if Slurm can be asked."""
    try:
        ask(["scancel", job])
    except SlurmError:
        return


def _read(file: Path) -> Submission | None:
    """A note, or None where it is none."""
    try:
        loaded = read_json(file.read_bytes())
        check_types(loaded, {"name": str, "tasks": list[list[str]]})
        return Submission(**loaded)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
