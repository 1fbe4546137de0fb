"""What becomes of a thousand runs costs: tables, figures and pages, each as a command of its own.

    .venv/bin/python -m benchmarks.results [--seeds 10] [--keep FOLDER]

The runs are made up before the clock starts: 10 norms x 10 strategies x seeds on the default stream, as `clnorm run`
leaves them, without logs. Each row of what is printed is the seconds of a command from its start to its end, and the
size of what it wrote.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.made import keep_run

NORMS = ("bn", "ln", "gn", "cn", "brn", "sn", "dyt", "rms", "in", "identity")
STRATEGIES = ("naive", "joint", "replay", "ewc", "er_ace", "der", "derpp", "icarl", "lwf", "si")
STREAM = {"dataset": "synthetic", "protocol": "even"}
COMMANDS = (
    ("table", "FOLDER", "--versus", "bn"),
    ("table", "FOLDER", "--format", "latex"),
    ("plot", "FOLDER", "--figure", "accuracy", "--where", "strategy=replay", "--out", "OUT/accuracy.pdf"),
    ("plot", "FOLDER", "--figure", "ranks", "--where", "strategy=replay", "--out", "OUT/ranks.svg"),
    ("runs", "FOLDER"),
    ("report", "FOLDER", "--out", "OUT/report.html"),
    ("leaderboard", "FOLDER", "--out", "OUT/site"),
)


def make_runs(folder: Path, *, seeds: int) -> int:
    cells = [(norm, strategy, seed) for norm in NORMS for strategy in STRATEGIES for seed in range(seeds)]
    for norm, strategy, seed in cells:
        right = 0.3 + 0.05 * NORMS.index(norm)
        keep_run(folder, right=right, **STREAM, norm=norm, strategy=strategy, seed=seed)
    return len(cells)


def time_command(command: tuple[str, ...], folder: Path, out: Path) -> str:
    words = [word.replace("FOLDER", str(folder)).replace("OUT", str(out)) for word in command]
    out.mkdir()
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "clnorm", *words], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"clnorm {' '.join(words)} left with {done.returncode}: {done.stderr}")
    written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) or len(done.stdout.encode())
    shutil.rmtree(out)
    return f"{' '.join(command):<90}{seconds:>7.2f} s{written / 1e6:>9.2f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="folder of the runs, made where it is not there and left")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary) / "runs"
        if not folder.exists():
            print(f"{make_runs(folder, seeds=options.seeds):,} runs made")
        out = Path(temporary) / "out"
        for command in COMMANDS:
            print(time_command(command, folder, out), flush=True)


if __name__ == "__main__":
    main()
