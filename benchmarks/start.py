"""How long clnorm takes to begin: whole processes, to their end or to the first step of training.

    .venv/bin/python benchmarks/start.py [--rounds 5] [--against CHECKOUT] [--cold]

`run, first step` is the time until the log of a run has its first line: that of an epoch of one step of the smallest
model, on clips that are decoded already. `predict` shows one clip to that model. With --against, another checkout takes
turns with this one, and the ratio is the median over the rounds, since a machine's speed drifts. --cold empties the
system's cache of files before each command, which needs Linux and root: what a machine that has just started does.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
TINY = (
    *("run", "--dataset", "synthetic:classes=4,train=2,test=1"),
    *(
        word
        for key in ("protocol=even:experiences=2", "data.frames=4", "data.image_size=16")
        for word in ("--set", key)
    ),
    *(word for key in ("train.epochs=1", "train.batch_size=4", "train.device=cpu") for word in ("--set", key)),
)


class Checkout:
    """The commands of one checkout, with a run's folder, a clip and a cache of its own in `folder`."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.environment = {**os.environ, "PYTHONPATH": str(root), "CLNORM_CACHE": str(folder / "cache")}
        self.folder.mkdir()
        self.time(*TINY, "--out", "runs")
        (run,) = (folder / "runs").iterdir()
        clip = next((folder / "cache").rglob("*.avi"))
        self.commands = {
            "run --dry-run": ("run", "--dry-run"),
            "table": ("table", str(HERE / "results" / "synthetic")),
            "predict": ("predict", str(run), str(clip)),
            "run, first step": (),
        }

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "clnorm", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def time(self, *arguments: str) -> float:
        """Seconds of a whole command."""
        started = time.perf_counter()
        process = self.start(*arguments)
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"{self.root}: clnorm {' '.join(arguments)}: {errors.decode()}")
        return time.perf_counter() - started

    def time_first_step(self) -> float:
        """Seconds until a run writes to its log; the run is ended there."""
        with tempfile.TemporaryDirectory(dir=self.folder) as out:
            started = time.perf_counter()
            process = self.start(*TINY, "--out", out)
            while not any(log.stat().st_size for log in Path(out).glob("*/log.jsonl")):
                if process.poll() is not None:
                    raise SystemExit(
                        f"{self.root}: the run ended before it logged: {process.communicate()[1].decode()}"
                    )
                time.sleep(0.005)
            seconds = time.perf_counter() - started
            process.kill()
            process.communicate()
        return seconds

    def measure(self, name: str, *, cold: bool) -> float:
        if cold:
            os.sync()
            Path("/proc/sys/vm/drop_caches").write_text("3")
        return self.time(*self.commands[name]) if self.commands[name] else self.time_first_step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout, which takes turns with this one")
    parser.add_argument("--cold", action="store_true", help="with no file in the system's cache; Linux, as root")
    options = parser.parse_args()
    roots = [HERE, *([options.against.resolve()] if options.against else [])]
    with tempfile.TemporaryDirectory() as folder:
        checkouts = [Checkout(root, Path(folder) / str(number)) for number, root in enumerate(roots)]
        print(f"{'cold' if options.cold else 'warm'}, {options.rounds} rounds, medians of seconds")
        for name in checkouts[0].commands:
            rounds = [[each.measure(name, cold=options.cold) for each in checkouts] for _ in range(options.rounds)]
            own, *others = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratio = "".join(
                f"{statistics.median(a / b for a, b in rounds):>8.2f} of the other's {other:.2f} s" for other in others
            )
            print(f"{name:<18}{own:>8.2f} s{ratio}", flush=True)


if __name__ == "__main__":
    main()
