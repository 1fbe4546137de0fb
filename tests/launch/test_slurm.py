"""What is submitted to Slurm, and what a job's script does, with stand-ins for Slurm's commands."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from clnorm.catalogue import LAUNCHERS
from clnorm.errors import ClnormError, UserError
from clnorm.launch.job import Job
from clnorm.launch.manifest import write_manifest
from clnorm.launch.notes import Failures
from clnorm.launch.slurm_queue import Queue, read_array_limit
from clnorm.launch.slurm_script import Request, write_script
from clnorm.training.stopping import StoppedError

NORMS = [{"norm": norm} for norm in ("bn", "cn", "gn", "in", "ln", "brn")]
REQUEST = {"partition": "auto", "account": "auto", "qos": "auto", "minutes": 0, "lead": 120, "cpus": 1, "gpus": 0}
REQUEST |= {"memory_gb": 0.0, "more": "none"}
SBATCH = """\
script="${{@: -1}}"
number=$(( $(cat {folder}/count 2>/dev/null || echo 99) + 1 ))
if [ -e {folder}/refuse-$number ]; then echo "sbatch: error: Batch job submission failed: No more" >&2; exit 1; fi
echo $number > {folder}/count
name=$(sed -n 's/^#SBATCH --job-name=//p' "$script")
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$script")
for task in $(seq 0 "$last"); do echo "$name|$task|PENDING|Priority" >> {folder}/queue; done
echo "$number;tiny"
"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Stand-ins: each notes how it was called; sbatch fills the queue that squeue prints."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def write(name, text):
        note = f'echo {name} "$@" >> {folder}/calls\n'
        (folder / name).write_text("#!/bin/bash\n" + note + text.format(folder=folder))
        (folder / name).chmod(0o755)

    write("sbatch", SBATCH)
    write("squeue", "cat {folder}/queue 2>/dev/null; exit 0\n")
    write("scontrol", "echo 'MaxArraySize            = 1001'\n")
    write("scancel", "")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr("clnorm.launch.slurm.list_unprepared", lambda cells: [])
    monkeypatch.setattr("clnorm.launch.slurm._EVERY", 0.01)
    folder.joinpath("calls").touch()
    return folder, write


@pytest.fixture
def submit(plan, notes, commands):
    """Gives cells to the launcher; `only` is some of them by their index."""

    def launch(options="", *, changes=NORMS, only=None, **more):
        cells = dict(enumerate(plan(*changes).cells))
        job = Job(write_manifest(list(cells.values())), {i: cells[i] for i in only or cells}, 1, notes, print, **more)
        return LAUNCHERS.parse(f"slurm:{options}").build(job), job

    return launch


def calls(commands, name):
    lines = (commands[0] / "calls").read_text().splitlines()
    return [line.partition(" ")[2] for line in lines if line.split()[0] == name]


def scripts(job):
    files = sorted(Queue(job.out).folder.glob("*.sh"), key=lambda file: file.stat().st_mtime_ns)
    return [file.read_text() for file in files]


def test_a_job_asks_for_what_the_options_say(submit, notes):
    options = "partition=gpu,account=a,qos=q,minutes=240,lead=60,cpus=8,gpus=2,memory_gb=1.5,bundle=4,at_most=16"
    is_over, job = submit(f"{options},more=--constraint=a100 --mail-type=END,restarts=7")
    assert not is_over
    (script,) = scripts(job)
    asked = re.findall(r"^#SBATCH (.*)$", script, flags=re.MULTILINE)
    assert asked == [
        *[f"--job-name=clnorm-{job.manifest.stem}-1", "--array=0-1%16", "--nodes=1", "--ntasks=1"],
        *["--cpus-per-task=8", "--signal=B:USR1@60", "--requeue", "--open-mode=append"],
        f"--output={Queue(job.out).folder}/clnorm-{job.manifest.stem}-1-%a.log",
        f"--chdir={os.getcwd()}",
        *["--partition=gpu", "--account=a", "--qos=q", "--time=240", "--gres=gpu:2", "--mem=1536M"],
        *["--constraint=a100", "--mail-type=END"],
    ]
    assert "bundles=(0-3 4-5)" in script
    assert f'{shlex.join(job.command([0])[:4])} {job.manifest} --index "$index" --retries 1 &' in script
    assert "-lt 7 ]" in script
    assert "Submitted 6 runs in 2 tasks: Slurm job 100;" in notes.texts[-1]


def test_what_is_left_to_the_cluster_is_not_asked_for(submit):
    (script,) = scripts(submit()[1])
    assert not re.search(r"--(partition|account|qos|time|gres|mem)\b", script)
    assert "--array=0-5\n" in script


def test_the_same_sweep_submits_what_no_job_has(submit, commands, notes):
    submit(only=[0, 2])
    _, job = submit("bundle=2")
    assert "2 runs are in jobs already: 2 pending (Priority)." in notes.texts
    assert "bundles=(1,3 4-5)" in scripts(job)[1]
    submit("bundle=2")
    assert len(calls(commands, "sbatch")) == 2, "all are in jobs"
    (commands[0] / "queue").unlink()
    submit()
    assert len(calls(commands, "sbatch")) == 3, "those jobs are gone"


def test_an_amended_sweep_submits_what_is_new(submit, commands):
    submit(changes=NORMS[2:4])
    _, job = submit(changes=NORMS)
    assert calls(commands, "squeue")[-1].startswith("--noheader --array --format=%j|%K|%T|%r --name=clnorm-")
    assert "bundles=(0-1 " not in scripts(job)[-1]
    assert "bundles=(0 1 4 5)" in scripts(job)[-1]


def test_jobs_of_others_are_not_taken_for_ones_own(submit, commands):
    (commands[0] / "queue").write_text("clnorm|0|RUNNING|None\nother|N/A|PENDING|Priority\n")
    submit(only=[0])
    (commands[0] / "queue").write_text("other|0|RUNNING|None\n")
    submit(only=[0])
    assert len(calls(commands, "sbatch")) == 2


@pytest.mark.parametrize(
    "squeue", ["exit 1\n", "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1\n"]
)
def test_where_the_queue_is_not_known_this_is_said(submit, commands, notes, squeue):
    submit(only=[0])
    commands[1]("squeue", squeue)
    submit(only=[0])
    assert len(calls(commands, "sbatch")) == 2
    assert any("is not known (--launcher slurm: squeue: " in text for text in notes.texts)


def test_a_long_array_is_cut_and_a_cap_holds_for_all_of_it(submit, commands):
    commands[1]("scontrol", "echo 'MaxArraySize = 4'\n")
    _, job = submit("at_most=2")
    first, second = scripts(job)
    assert "bundles=(0 3 1 4)" in first, "tasks that run at once are of different places"
    assert "bundles=(2 5)" in second
    before, after = calls(commands, "sbatch")
    assert "--dependency" not in before
    assert "--dependency=afterany:100 " in after


@pytest.mark.parametrize(("text", "most"), [("MaxArraySize = 4", 4), ("MaxArraySize=0", 1), ("nothing", 1001)])
def test_the_longest_array(commands, text, most):
    commands[1]("scontrol", f"echo '{text}'\n")
    assert read_array_limit() == most
    (commands[0] / "scontrol").unlink()
    assert read_array_limit() == 1001


def test_clips_are_decoded_by_a_job_that_the_others_wait_for(submit, commands, monkeypatch):
    monkeypatch.setattr("clnorm.launch.slurm.list_unprepared", lambda cells: [0, 3])
    _, job = submit()
    prepare, runs = scripts(job)
    assert "--array=0-0\n" in prepare
    assert "bundles=(0,3)" in prepare
    assert '--index "$index" --retries 1 --prepare &' in prepare
    assert "--prepare" not in runs
    assert "--dependency=afterany:100 " in calls(commands, "sbatch")[1]


@pytest.mark.parametrize("refused", [100, 101])
def test_a_refused_job_leaves_no_note_and_no_job_before_it(submit, commands, monkeypatch, refused, tmp_path):
    monkeypatch.setattr("clnorm.launch.slurm.list_unprepared", lambda cells: [0])
    (commands[0] / f"refuse-{refused}").touch()
    with pytest.raises(UserError, match="sbatch: Batch job submission failed: No more; the job's script is"):
        submit()
    assert calls(commands, "scancel") == (["100"] if refused == 101 else [])
    assert not any(json.loads(file.read_text())["tasks"] for file in tmp_path.glob("runs/.sweep/slurm/*.json"))


def test_a_cluster_that_is_not_reached_is_no_mistake_of_the_users(submit, commands, tmp_path):
    commands[1]("sbatch", "echo 'sbatch: error: Unable to contact slurm controller (connect failure)' >&2; exit 1\n")
    with pytest.raises(ClnormError, match="Unable to contact slurm controller") as failed:
        submit()
    assert failed.value.exit_code == 1
    assert not list(tmp_path.glob("runs/.sweep/slurm/*.json"))


def test_without_slurm_this_is_said(submit, commands, monkeypatch):
    (commands[0] / "sbatch").unlink()
    monkeypatch.setenv("PATH", str(commands[0]))  # a machine that runs these tests may have Slurm
    with pytest.raises(ClnormError, match="there is no sbatch here; give the command on a machine of the cluster"):
        submit()


def test_a_dry_run_prints_the_script_and_asks_nobody(submit, commands):
    texts = []
    is_over, _ = submit("bundle=3", preview=texts.append)
    assert not is_over
    assert "bundles=(0-2 3-5)" in texts[0]
    assert not calls(commands, "sbatch") + calls(commands, "squeue")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("minutes=2", "leaves nothing before the lead of 120 seconds"),
        ("more=a100", "'a100' is no option of sbatch"),
        ("more=--comment='x", "cannot be split into words"),
        ("partition=a\nb", "cannot stand in a job script"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_submitted(submit, commands, options, words):
    with pytest.raises(UserError, match=words):
        submit(options)
    assert not calls(commands, "sbatch")


def test_a_damaged_note_is_no_job(submit, commands):
    _, job = submit(only=[0])
    for text in ("", "[]", "{}", '{"name": 1, "tasks": []}', '{"name": "x", "tasks": [1]}'):
        (Queue(job.out).folder / "odd.json").write_text(text)
        submit(only=[0])
    assert len(calls(commands, "sbatch")) == 1


def test_waiting_submits_lost_runs_again_and_ends_with_the_last(submit, commands, notes, write_record, monkeypatch):
    looks = []

    def look(stop):
        looks.append(1)
        cells = submit(preview=print)[1].cells
        (commands[0] / "queue").write_text("")  # all jobs are gone
        if len(looks) == 1:
            write_record(cells[0])
        if len(looks) == 2:
            for index in range(1, 5):
                write_record(cells[index])
            Failures(cells[5].config.out).add(cells[5].run, "full", is_mistake=True)

    monkeypatch.setattr("clnorm.launch.slurm._pause", look)
    with pytest.raises(ClnormError, match="1 of 6 runs failed"):
        submit("wait=true,restarts=5")
    assert len(calls(commands, "sbatch")) == 2
    assert any("Submitted 5 runs" in text for text in notes.texts)


def test_waiting_is_given_up_after_all_restarts(submit, commands, monkeypatch):
    monkeypatch.setattr("clnorm.launch.slurm._pause", lambda stop: (commands[0] / "queue").write_text("") and None)
    with pytest.raises(ClnormError, match="6 runs are not finished, and their jobs are gone, after 2 restarts"):
        submit("wait=true,restarts=2")
    assert len(calls(commands, "sbatch")) == 3


def test_a_stop_ends_the_waiting_and_no_job(submit, commands, monkeypatch):
    def stop(request):
        os.kill(os.getpid(), signal.SIGTERM)
        return bool(request.name)

    monkeypatch.setattr("clnorm.launch.slurm._pause", stop)
    with pytest.raises(StoppedError, match="stopped by SIGTERM; the jobs go on"):
        submit("wait=true")
    assert not calls(commands, "scancel")


WORKER = """\
import signal, sys, time
got = []
signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
print("begun", flush=True)
for _ in range(600):
    time.sleep(0.05)
    if got:
        time.sleep(0.2)
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


def test_two_sweeps_that_are_given_at_once_submit_one_after_the_other(submit, commands):
    _, job = submit(only=[0])
    with Queue(job.out).held():
        other = subprocess.Popen(["flock", "--nonblock", str(Queue(job.out).folder / ".lock"), "true"])
        assert other.wait() == 1
    until = time.monotonic() + 10
    while subprocess.run(["flock", "--nonblock", str(Queue(job.out).folder / ".lock"), "true"]).returncode:
        assert time.monotonic() < until
