"""What a job's script does with signals, exit codes and its bundle of cells, run by bash as Slurm would."""

import os
import shlex
import signal
import subprocess
import sys

import pytest

from clnorm.launch.slurm_script import Request, write_script
from tests.launch.slurm_commands import calls

REQUEST = {"partition": "auto", "account": "auto", "qos": "auto", "minutes": 0, "lead": 120, "cpus": 1, "gpus": 0}
REQUEST |= {"memory_gb": 0.0, "more": "none"}
WORKER = """\
import signal, sys, time
got = []
signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
print("begun", flush=True)
for _ in range(1500):
    time.sleep(0.02)
    if got:
        time.sleep(0.1)
        print("told", flush=True)
        sys.exit({code})
"""


@pytest.fixture
def run_script(commands, tmp_path):
    """Runs a job's script as Slurm would, sends it a signal, and gives its exit code and output."""
    commands[1]("scontrol", "exit 0\n")

    def run(by, *, code=75, to_all=False, **environment):
        worker = [sys.executable, "-S", "-c", WORKER.format(code=code), "$index"]
        options = {"request": Request(**REQUEST), "logs": tmp_path, "at_most": 0, "restarts": 20}
        file = tmp_path / "job.sh"
        file.write_text(write_script("job", worker, ["0-3", "4,6"], **options))
        given = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1", "SLURM_CPUS_PER_TASK": "3", **environment}
        process = subprocess.Popen(
            ["bash", str(file)],
            env={**os.environ, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        with process:
            told = process.stdout.readline()
            (os.killpg if to_all else os.kill)(process.pid, by)
            told += process.stdout.read()
        return process.returncode, told

    return run


def test_a_job_near_its_limit_keeps_its_state_and_goes_back_into_the_queue(run_script, commands):
    code, told = run_script(signal.SIGUSR1)
    assert code == 75
    assert told.splitlines() == ["begun", "told", "The time limit is near: task 7_1 goes back into the queue."]
    assert calls(commands, "scontrol") == ["requeue 7_1"]


@pytest.mark.parametrize("to_all", [False, True])
def test_a_cancelled_job_keeps_its_state_and_ends(run_script, commands, to_all):
    code, told = run_script(signal.SIGTERM, to_all=to_all)
    assert code == 75
    assert told.splitlines() == ["begun", "told"]
    assert not calls(commands, "scontrol")


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_worker_that_is_done_is_not_begun_anew(run_script, commands, code):
    assert run_script(signal.SIGUSR1, code=code)[0] == code
    assert not calls(commands, "scontrol")


def test_where_slurm_does_not_take_a_job_back_its_log_says_what_to_do(run_script, commands):
    code, told = run_script(signal.SIGUSR1, SLURM_RESTART_COUNT="20")
    assert code == 75
    assert "task 7_1 is not begun anew: give the same clnorm sweep again" in told
    assert not calls(commands, "scontrol")
    commands[1]("scontrol", "echo 'Requeue is not allowed' >&2; exit 1\n")
    assert "is not begun anew" in run_script(signal.SIGUSR1)[1]
    (commands[0] / "scontrol").unlink()
    assert "is not begun anew" in run_script(signal.SIGUSR1)[1]


def test_a_task_runs_its_bundle_with_the_threads_of_the_job(commands, tmp_path):
    options = {"request": Request(**REQUEST), "logs": tmp_path / "a b%'", "at_most": 0, "restarts": 20}
    worker = ["bash", "-c", 'echo "$OMP_NUM_THREADS $0"', "$index"]
    text = write_script("job", worker, ["0-3", "4,6"], **options)
    assert f"#SBATCH {shlex.quote(f'--output={tmp_path}/a b%%' + chr(39) + '/job-%a.log')}" in text
    for task, expected in (("0", "3 0-3"), ("1", "3 4,6")):
        environment = {**os.environ, "SLURM_ARRAY_TASK_ID": task, "SLURM_CPUS_PER_TASK": "3"}
        done = subprocess.run(["bash", "-c", text], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected
