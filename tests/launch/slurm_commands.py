"""Stand-ins for the commands of Slurm."""

import pytest

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


def calls(commands, name):
    lines = (commands[0] / "calls").read_text().splitlines()
    return [line.partition(" ")[2] for line in lines if line.split()[0] == name]
