"""What is submitted to Slurm, and what a job's script does, with stand-ins for Slurm's commands."""

import json
import os
import re
import shlex
import signal

import pytest
from filelock import FileLock, Timeout

from clnorm.catalogue import LAUNCHERS
from clnorm.errors import ClnormError, UserError
from clnorm.launch.job import Job
from clnorm.launch.manifest import write_manifest
from clnorm.launch.notes import Failures
from clnorm.launch.plan import plan_sweep
from clnorm.launch.slurm_queue import Queue, read_array_limit
from clnorm.training.states.stopping import StoppedError
from tests.launch.slurm_commands import SBATCH, calls

NORMS = [{"norm": norm} for norm in ("bn", "cn", "gn", "in", "ln", "brn")]


@pytest.fixture
def submit(plan, notes, commands):
    """Gives cells to the launcher; `only` is some of them by their index."""

    def launch(options="", *, changes=NORMS, only=None, **more):
        cells = dict(enumerate(plan(*changes).cells))
        job = Job(write_manifest(list(cells.values())), {i: cells[i] for i in only or cells}, 1, notes, print, **more)
        return LAUNCHERS.parse(f"slurm:{options}").build(job), job

    return launch


def scripts(job):
    files = sorted(Queue(job.out).folder.glob("*.sh"), key=lambda file: file.stat().st_mtime_ns)
    return [file.read_text() for file in files]


def test_a_job_asks_for_what_the_options_say(submit, notes):
    options = "partition=gpu,account=a,qos=q,minutes=240,lead=60,cpus=8,gpus=2,memory_gb=1.5,bundle=4,at_most=16"
    is_over, job = submit(f"{options},more=--constraint=a100 --mail-type=END,restarts=7")
    assert not is_over
    (script,) = scripts(job)
    (name,) = (file.stem for file in Queue(job.out).folder.glob("*.sh"))
    asked = re.findall(r"^#SBATCH (.*)$", script, flags=re.MULTILINE)
    assert asked == [
        *[f"--job-name={name}", "--array=0-1%16", "--nodes=1", "--ntasks=1"],
        *["--cpus-per-task=8", "--signal=B:USR1@60", "--requeue", "--open-mode=append"],
        f"--output={Queue(job.out).folder}/{name}-%a.log",
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


def test_equal_sweeps_of_two_folders_have_jobs_of_two_names(tiny, tmp_path, monkeypatch, notes, commands):
    names = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        cells = plan_sweep([tiny(out="runs")], reporter=notes).cells
        LAUNCHERS.parse("slurm").build(Job(write_manifest(cells), {0: cells[0]}, 1, notes, print))
        names += [file.stem for file in Queue("runs").folder.glob("*.sh")]
    assert len(set(names)) == len(names) == 2


@pytest.mark.parametrize("preview", [None, print])
def test_a_precision_that_each_machine_chooses_is_refused(submit, commands, preview):
    with pytest.raises(UserError, match=r"train\.precision=auto is another precision.*train\.precision=bf16"):
        submit(changes=[{"train__precision": "auto"}], preview=preview)
    assert not calls(commands, "sbatch")


def test_a_job_that_was_taken_without_an_answer_is_not_submitted_twice(submit, commands, notes, monkeypatch):
    monkeypatch.setattr("clnorm.launch.slurm_queue._SECONDS", 1)
    commands[1]("sbatch", SBATCH + "exec sleep 20\n")
    with pytest.raises(ClnormError, match="sbatch: did not answer within 1 s; give the same command again later"):
        submit()
    submit()
    assert "6 runs are in jobs already: 6 pending (Priority)." in notes.texts
    assert len(calls(commands, "sbatch")) == 1


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
        ("more=--array=0-99", "'--array=0-99' is set by clnorm"),
        ("more=--job-name=mine", "'--job-name=mine' is set by clnorm"),
        ("more=-Jmine", "'-Jmine' is set by clnorm"),
        ("partition=a,more=--partition=b", "'--partition=b' is set by clnorm, or by an option of the launcher"),
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


def test_a_run_that_its_job_tries_again_is_waited_for(submit, commands, notes, write_record, monkeypatch):
    looks = []

    def look(stop):
        looks.append(1)
        cells = submit(preview=print)[1].cells
        failures = Failures(cells[0].config.out)
        if len(looks) == 1:
            failures.add(cells[0].run, "full", is_mistake=False)
        if len(looks) == 3:
            failures.forget(cells[0].run)
            for cell in cells.values():
                write_record(cell)

    monkeypatch.setattr("clnorm.launch.slurm._pause", look)
    assert submit("wait=true")[0]
    assert len(looks) == 3
    assert len(calls(commands, "sbatch")) == 1


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


def test_two_sweeps_that_are_given_at_once_submit_one_after_the_other(submit, commands):
    _, job = submit(only=[0])
    lock = FileLock(Queue(job.out).folder / ".lock", timeout=0)
    with Queue(job.out).held(), pytest.raises(Timeout):
        lock.acquire()
    with lock:
        assert lock.is_locked
