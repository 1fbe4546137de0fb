"""The job script of a Slurm array: what it asks for, and what a task of it does."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clnorm.errors import UserError

WHERE = "--launcher slurm"
_SHORT = {"-a", "-J", "-c", "-n", "-N", "-o", "-D"}  # sbatch's short forms of what every script sets


@dataclass(frozen=True, kw_only=True)
class Request:
    """What every job asks Slurm for; see the launcher's options."""

    partition: str
    account: str
    qos: str
    minutes: int
    lead: int
    cpus: int
    gpus: int
    memory_gb: float
    more: str

    def __post_init__(self) -> None:
        if self.minutes and self.minutes * 60 <= self.lead:
            what = f"a limit of {self.minutes} minutes leaves nothing before the lead of {self.lead} seconds"
            raise UserError(what, where=WHERE, hint="raise minutes, or lower lead")

    def list_options(self, own: Sequence[str]) -> list[str]:
        """As options of sbatch.

        Args:
            own: the options that every script has, which `more` must not change.

        Raises:
            UserError: `more` holds one of them, or no options.
        """
        named = {"partition": self.partition, "account": self.account, "qos": self.qos}
        options = [f"--{name}={value}" for name, value in named.items() if value != "auto"]
        options += [f"--time={self.minutes}"] if self.minutes else []
        options += [f"--gres=gpu:{self.gpus}"] if self.gpus else []
        options += [f"--mem={round(self.memory_gb * 1024)}M"] if self.memory_gb else []
        further = _split(self.more)
        set_already = {option.partition("=")[0] for option in [*own, *options]} | _SHORT
        if twice := [option for option in further if option.partition("=")[0] in set_already or option[:2] in _SHORT]:
            what = f"{twice[0]!r} is set by clnorm, or by an option of the launcher"
            raise UserError(what, where=f"{WHERE}: option 'more'", hint="see: clnorm list launchers")
        return [*options, *further]


def write_script(
    name: str,
    command: Sequence[str],
    bundles: Sequence[str],
    *,
    request: Request,
    logs: Path,
    at_most: int,
    restarts: int,
) -> str:
    """The script of an array with a task for each bundle.

    A worker that is told of the limit keeps its run's state and ends with 75; the task then goes back into the queue.
    Where Slurm does not take it back, the script says so, and the sweep given again submits it.

    Args:
        name: of the job.
        command: of a worker, with `$index` in the place of the cells.
        bundles: the cells of each task.
        request: what a job asks for.
        logs: the folder of the tasks' logs.
        at_most: tasks at a time; 0 is any number.
        restarts: how often a task puts itself back into the queue.
    """
    log = f"{logs}/{name}-".replace("%", "%%") + "%a.log"
    own = [
        f"--job-name={name}",
        f"--array=0-{len(bundles) - 1}{f'%{at_most}' if at_most else ''}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={request.cpus}",
        f"--signal=B:USR1@{request.lead}",
        "--requeue",
        "--open-mode=append",
        f"--output={log}",
        f"--chdir={os.getcwd()}",  # noqa: PTH109 - of a configuration's relative paths
    ]
    options = [*own, *request.list_options(own)]
    if unfit := [option for option in options if not option.isprintable()]:
        raise UserError(f"{unfit[0]!r} cannot stand in a job script", where=WHERE, legal="text of one line")
    return _SCRIPT.format(
        options="\n".join(f"#SBATCH {shlex.quote(option)}" for option in options),
        bundles=" ".join(bundles),
        command=shlex.join(command).replace("'$index'", '"$index"'),
        restarts=restarts,
    )


def _split(more: str) -> list[str]:
    try:
        words = [] if more == "none" else shlex.split(more)
    except ValueError as error:
        raise UserError(f"{more!r} cannot be split into words ({error})", where=f"{WHERE}: option 'more'") from error
    if other := [word for word in words if not word.startswith("-")]:
        hint = "write --name=value, such as more=--constraint=a100"
        raise UserError(f"{other[0]!r} is no option of sbatch", where=f"{WHERE}: option 'more'", hint=hint)
    return words


_SCRIPT = """\
#!/bin/bash
{options}
# Written by clnorm sweep: each task of the array runs one of these bundles, of cells by their index in the manifest.
bundles=({bundles})
index=${{bundles[SLURM_ARRAY_TASK_ID]}}
export OMP_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-1}}

# USR1 says that the time limit is near, TERM that the job is cancelled or preempted: the worker keeps its run's state.
near= told= worker=
pass_on() {{ told=yes; [ -z "$worker" ] || kill -TERM "$worker"; }}
trap 'near=yes; pass_on' USR1
trap pass_on TERM
{command} &
worker=$!
[ -z "$told" ] || kill -TERM "$worker" # it came before the worker had a number
while told=; wait "$worker"; code=$?; [ -n "$told" ]; do :; done

# 0 to 2 are the ends of a worker that tried all of its cells, or cannot.
if [ -n "$near" ] && [ "$code" -gt 2 ]; then
  task=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
  if [ "${{SLURM_RESTART_COUNT:-0}}" -lt {restarts} ] && scontrol requeue "$task"; then
    echo "The time limit is near: task $task goes back into the queue."
  else
    echo "The time limit is near, and task $task is not begun anew: give the same clnorm sweep again." >&2
  fi
fi
exit "$code"
"""
