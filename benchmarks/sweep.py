"""What a sweep saves: by shared beginnings, by one process for many runs, and by several processes.

    python benchmarks/sweep.py prefixes    # a sweep of 24 runs against each of them alone, in a process of its own
    python benchmarks/sweep.py processes   # the same sweep in one process with 2 threads, and in two with 1 each
    python benchmarks/sweep.py plan        # 10,000 cells planned beside 5,000 records
    python benchmarks/sweep.py estimate    # the estimate of the demo's grid beside the truth
    python benchmarks/sweep.py states      # what keeping a state takes, of the ten minutes between two of them

Clips are made and decoded before anything is timed. Everything is run on this machine, one after the other; compare the
ratios, not the seconds.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import yaml

GRID = {
    "config": {
        "dataset": "synthetic:classes=10,train=20,test=10",
        "protocol": "tcd:base=5,step=1",
        "train": {"epochs": 5},
    },
    "grid": {"norm": ["ln", "bn", "gn", "cn"], "strategy": ["naive", "replay", "ewc"], "seed": [0, 1]},
}
ALONE = ("--launcher", "local:processes=1")
DEMO = {"config": {}, "grid": {"norm": ["ln", "cn"], "strategy": ["naive", "replay"]}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=tuple(WHAT))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CLNORM_CACHE"] = f"{folder}/cache"
        WHAT[options.what](Path(folder))


def time_prefixes(folder: Path) -> None:
    """Sum of the runs alone, then the sweep."""
    prepare(folder, GRID)
    from clnorm.launch.grid import name_cells, read_sweep

    file = write(folder, GRID)
    configs = read_sweep(file, {"save.prefixes": "none", "out": str(folder / "alone")})
    alone = 0.0
    for name, config in zip(name_cells(configs), configs, strict=True):
        (folder / "config.yaml").write_text(config.to_yaml())
        taken = clnorm("run", "--config", str(folder / "config.yaml"))
        alone += taken
        print(f"{name:<40} {taken:6.1f} s", flush=True)
    shared = clnorm("sweep", str(file), "--out", str(folder / "shared"), *ALONE)
    trained = [read_cost(folder / name) for name in ("alone", "shared")]
    print(f"alone {alone:.0f} s, as a sweep {shared:.0f} s: {shared / alone:.2f}")
    print(f"without the starts of processes: {trained[0]:.0f} s and {trained[1]:.0f} s: {trained[1] / trained[0]:.2f}")
    same = read_matrices(folder / "alone") == read_matrices(folder / "shared")
    print(f"the accuracy matrices are {'the same' if same else 'NOT the same'}")


def time_processes(folder: Path) -> None:
    """One process with two threads, then two with one thread each."""
    prepare(folder, GRID)
    file, taken = write(folder, GRID), {}
    for launcher in ("local:processes=1,threads=2", "local:processes=2,threads=1"):
        shutil.rmtree(folder / "cache" / "prefixes", ignore_errors=True)
        out = str(folder / launcher.partition(",")[0])
        taken[launcher] = clnorm("sweep", str(file), "--out", out, "--launcher", launcher)
        print(f"{launcher}: {taken[launcher]:.0f} s", flush=True)
    one, two = taken.values()
    print(f"two processes take {two / one:.2f} of one's time")


def time_plan(folder: Path) -> None:
    """Expand, check and name 10,000 cells, and compare them with 5,000 records."""
    began = time.perf_counter()
    import_module("clnorm.training.trainer")  # what the check loads: torch and Avalanche
    from clnorm.cli.output import check_fits
    from clnorm.launch.grid import read_sweep
    from clnorm.launch.plan import plan_sweep
    from clnorm.progress import Reporter

    loaded = time.perf_counter() - began
    small = {"config": {**GRID["config"], "train": {"epochs": 1}}, "grid": {"norm": ["ln"]}}
    clnorm("sweep", str(write(folder, small)), "--out", str(folder / "one"), *ALONE)
    record = next((folder / "one").glob("*/record.json")).read_bytes()
    rates = [round(0.0001 * (index + 1), 4) for index in range(20)]
    norms = {"norm": ["ln", "bn", "gn", "cn", "rms"], "strategy": ["naive", "replay", "ewc", "joint"]}
    file = write(folder, {**GRID, "grid": {**norms, "train.lr": rates, "seed": list(range(25))}})
    times = [time.perf_counter()]
    configs = read_sweep(file, {"out": str(folder / "many")})
    times.append(time.perf_counter())
    check_fits(configs)
    times.append(time.perf_counter())
    cells = plan_sweep(configs, reporter=Reporter()).cells
    times.append(time.perf_counter())
    for cell in cells[:5000]:
        cell.folder.path.mkdir(parents=True)
        (cell.folder.path / "record.json").write_bytes(record)
    began = time.perf_counter()
    finished = sum(cell.is_finished for cell in cells)
    compared = time.perf_counter() - began
    expand, check, plan = (after - before for before, after in pairwise(times))
    print(f"torch and Avalanche loaded in {loaded:.1f} s;")
    print(f"{len(cells):,} cells: expanded {expand:.1f} s, checked {check:.1f} s, planned {plan:.1f} s;")
    total = times[-1] - times[0] + compared
    print(f"{finished:,} records of {len(record):,} bytes compared {compared:.1f} s; together {total:.1f} s")


def time_estimate(folder: Path) -> None:
    """What `--estimate` says of the demo's grid, and what it takes."""
    prepare(folder, DEMO)
    file, out = write(folder, DEMO), str(folder / "runs")
    command = [sys.executable, "-m", "clnorm", "sweep", str(file), "--out", out]
    print(subprocess.run([*command, "--estimate"], capture_output=True, text=True, check=True).stdout)
    taken = clnorm("sweep", str(file), "--out", out, *ALONE)
    print(f"took {taken:.0f} s, {read_cost(Path(out)):.0f} s of them by the records")


def time_states(folder: Path) -> None:
    """The seconds of a state, and their share of the interval, for a small model and for that of pretrained runs."""
    from clnorm.config.load import merge_config
    from clnorm.data.open import read_table
    from clnorm.launch.probe import create_strategy
    from clnorm.progress import Reporter
    from clnorm.results.state import StateFiles

    sizes = {"lsvit_nano": (16, 32), "lsvit_signed_tiny:smif=frames": (8, 112)}
    for backbone, (frames, size) in sizes.items():
        changes = {"backbone": backbone, "data.frames": frames, "data.image_size": size, "train.ema": 0.9}
        small = {"dataset": "synthetic:classes=4,train=4,test=2", "protocol": "even:experiences=2"}
        config = merge_config(small, {**changes, "train.batch_size": 2})
        strategy = create_strategy(config, read_table(config, Reporter()))
        files, taken = StateFiles(folder), []

        def keep(strategy=strategy, files=files, taken=taken) -> None:
            began = time.perf_counter()
            files.save(strategy.position())
            taken.append(time.perf_counter() - began)

        strategy.on_step = keep
        strategy.train_experience(0)
        seconds, minutes = statistics.median(taken), config.save.every_minutes
        size_mb = files.newest.stat().st_size / 1e6
        share = seconds / (60 * minutes)
        print(f"{backbone}: {size_mb:.0f} MB in {seconds:.2f} s, {share:.2%} of {minutes:g} minutes")


def prepare(folder: Path, grid: dict) -> None:
    """Make and decode the clips."""
    small = {"config": {**grid["config"], "train": {"epochs": 1}}, "grid": {"norm": ["ln"]}}
    clnorm("sweep", str(write(folder, small)), "--out", str(folder / "made"), "--set", "save.prefixes=none", *ALONE)


def write(folder: Path, grid: dict) -> Path:
    file = folder / "grid.yaml"
    file.write_text(yaml.safe_dump(grid))
    return file


def clnorm(*words: str) -> float:
    """The seconds of a command."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "clnorm", *words], check=True, capture_output=True)
    return time.perf_counter() - began


def read_records(out: Path) -> Sequence[dict]:
    return [json.loads(file.read_text()) for file in sorted(out.glob("*/record.json"))]


def read_cost(out: Path) -> float:
    """Seconds of all runs, without what they took over."""
    return sum(
        record["cost"]["seconds"] - sum(part["seconds"] for part in record["reused"]) for record in read_records(out)
    )


def read_matrices(out: Path) -> dict[str, list]:
    return {record["run"]: record["matrix"] for record in read_records(out)}


WHAT = {
    "prefixes": time_prefixes,
    "processes": time_processes,
    "plan": time_plan,
    "estimate": time_estimate,
    "states": time_states,
}

if __name__ == "__main__":
    main()
