"""A Slurm cluster of one node on this machine: Debian's slurm-wlm and munge, in a folder of its own, by root."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
CONFIG = """\
ClusterName=tiny
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
MaxArraySize=4
KillWait=30
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=tiny Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=lost Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=CANCEL
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def list_missing() -> str:
    """What keeps a cluster from being started here, or nothing."""
    absent = [name for name in NEEDED if shutil.which(name, path=PATH) is None]
    if absent:
        return f"there is no {', '.join(absent)}"
    return "" if os.geteuid() == 0 else "only root starts a cluster"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def started_cluster():
    """Start its daemons and end them; gives the environment in which Slurm's commands find them."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # the path of a socket must be short
    host = socket.gethostname().partition(".")[0]
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(folder=folder, host=host, ports=free_ports(2)))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(config)}
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    munged = ["munged", "--force", *(f"--{option}={folder}/munge.{end}" for option, end in files.items())]
    try:
        for command in (munged, ["slurmctld", "-f", str(config)], ["slurmd", "-f", str(config)]):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
        wait_until_idle(environment, folder)
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root"], env=environment, capture_output=True, timeout=60)
        for name in ("slurmd.pid", "slurmctld.pid", "munge.pid"):
            end(folder / name)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_idle(environment, folder):
    until = time.monotonic() + 120
    while True:
        words = ["sinfo", "--noheader", "--partition=tiny", "--format=%T"]
        told = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
        if told.stdout.strip() == "idle":
            return
        logs = "\n".join(file.read_text()[-2000:] for file in folder.glob("*.log"))
        assert time.monotonic() < until, f"{told.stdout} {told.stderr}\n{logs}"
        time.sleep(0.3)


def end(file):
    """End the daemon whose number stands in a file, and wait for it."""
    try:
        pid = int(file.read_text())
        os.kill(pid, 15)
    except (OSError, ValueError):
        return
    until = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.1)


@pytest.fixture(scope="session")
def cluster():
    """The environment of a cluster that is there for the tests."""
    if missing := list_missing():
        pytest.fail(f"a Slurm cluster cannot be started: {missing}; make slurm installs what it needs")
    with started_cluster() as environment:
        yield environment
