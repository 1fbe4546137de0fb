"""Two processes that work on one sweep: what one holds the other leaves, and each run is done once."""

import json
import subprocess
import sys
from contextlib import ExitStack

import pytest

from clnorm.results.folder import RunFolder

GRID = """
config:
  dataset: synthetic:classes=4,train=4,test=2
  protocol: even:experiences=2
  data: {frames: 4, image_size: 16}
  train: {epochs: 1, batch_size: 4, device: cpu}
grid: {norm: [bn, cn], seed: [0, 1]}
"""
CELLS = ["[1/4] norm=bn seed=0", "[2/4] norm=bn seed=1", "[3/4] norm=cn seed=0", "[4/4] norm=cn seed=1"]
MET = ": another process runs this now.\n"
SAME = ("clips.parquet", "config.yaml", "matrix.csv", "model.safetensors", "predictions.parquet")


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts `clnorm sweep` in a folder of this name, on the same sweep and without any clip decoded before."""

    def start_sweep(name):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        (place / "grid.yaml").write_text(GRID)
        monkeypatch.setenv("CLNORM_CACHE", str(place / "cache"))
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "clnorm",
            "sweep",
            "grid.yaml",
            "--launcher",
            "local:processes=1",
        ]
        return started.enter_context(subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True))

    with ExitStack() as started:
        yield start_sweep


def read_runs(place):
    """Of each run's folder, what does not depend on the time that it took."""
    runs = {}
    for folder in (place / "runs").glob("[!.]*"):
        record = json.loads((folder / "record.json").read_text())
        assert record["status"] == "finished"
        assert not (folder / "state.pt").exists()
        log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        files = {name: (folder / name).read_bytes() for name in SAME}
        runs[folder.name] = (
            {key: value for key, value in record.items() if key not in ("cost", "checksum")},
            [(line["experience"], line["epoch"], line["loss"]) for line in log],
            files,
        )
    return runs


@pytest.mark.slow
def test_two_sweeps_in_one_folder_share_the_runs(start, tmp_path):
    alone = start("alone")
    told = alone.stderr.read()
    assert alone.wait() == 0, told
    expected = read_runs(tmp_path / "alone")
    first = next(name for name in expected if "-bn-" in name and "-s0-" in name)

    held = RunFolder(tmp_path / "shared" / "runs" / first)
    with held.locked():  # until both have met a run that another process holds
        both, heads = [start("shared"), start("shared")], []
        for process in both:
            heads.append(process.stderr.readline())
            while not heads[-1].endswith(MET) and (line := process.stderr.readline()):
                heads[-1] += line
    told = [head + process.stderr.read() for head, process in zip(heads, both, strict=True)]

    assert [process.wait() for process in both] == [0, 0], told
    assert all(f"Left for later: runs/{first}{MET}" in text for text in told)
    for text in told:
        assert [line for line in text.splitlines() if line in CELLS] == CELLS
    assert "".join(told).count("training: 16 clips\n") == len(CELLS), "each run is trained once, by either of them"
    assert read_runs(tmp_path / "shared") == expected
