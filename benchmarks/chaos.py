"""Kills runs at random moments, saving included, and compares what they leave in the end with runs that no one killed.

    python benchmarks/chaos.py --kills 100 --seed 0

Each round starts a run in a process of its own, kills it (SIGKILL), once or several times, continues it, and compares
matrix, predictions, weights and log with the uninterrupted run's, byte by byte. Beside them it looks for files that the
uninterrupted run does not leave, and for a lock that is still held. The table says for each strategy and norm how many
kills there were, how many of them came within an experience, and while a state was being written. It exits with 1
where anything differs.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # so that processes can be forked, and sums are the same

import pandas as pd
from filelock import FileLock

import clnorm
from clnorm.config.config import Config
from clnorm.config.load import merge_config
from clnorm.results.folder import RunFolder

STRATEGIES = ("naive", "replay:per_class=2", "ewc:lam=10", "joint")
NORMS = ("ln", "bn", "gn", "cn", "tbbn", "adab2n", "brn", "bn_task", "prepbn", "sn")
CONFIG = {
    "dataset": "synthetic:classes=4,train=6,test=2",
    "protocol": "even:experiences=2",
    "data": {"frames": 4, "image_size": 16, "augment": "light", "mix": "mixup"},
    "train": {"epochs": 3, "batch_size": 4, "ema": 0.9},
    "save": {"every_minutes": 1e-4, "every_epochs": 1, "prefixes": "none"},
}
AGAIN = 0.3  # chance of one more kill of the same run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, counts, wrong = random.Random(options.seed), Counter[str](), 0
    cells = draw.sample([(norm, strategy) for norm in NORMS for strategy in STRATEGIES], k=len(NORMS) * len(STRATEGIES))
    with tempfile.TemporaryDirectory() as folder:
        for number, (norm, strategy) in enumerate(_forever(cells)):
            if counts["kills"] >= options.kills:
                break
            whole, killed = (_configure(folder, norm, strategy, f"{name}{number}") for name in ("whole", "killed"))
            started = time.monotonic()
            _wait(_start(whole))
            faults = _torment(killed, time.monotonic() - started, draw, counts, most=options.kills - counts["kills"])
            faults += _compare(whole, killed)
            wrong += bool(faults)
            print(f"{norm:<8} {strategy:<20} {'; '.join(faults) or 'the same'}", flush=True)
    print(", ".join(f"{count} {name}" for name, count in counts.items()), f"; {wrong} runs differ")
    sys.exit(bool(wrong))


def _forever(cells: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    while True:
        yield from cells


def _configure(folder: str, norm: str, strategy: str, name: str) -> Config:
    return merge_config(CONFIG, {"norm": norm, "strategy": strategy, "out": f"{folder}/{name}"})


def _torment(config: Config, seconds: float, draw: random.Random, counts: Counter[str], *, most: int) -> list[str]:
    """Start a run and kill it, once or several times, and let it end; what went wrong."""
    for _ in range(most):
        child = _start(config)
        time.sleep(draw.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            counts["kills"] += 1
            for folder in Path(config.out).glob("*-*"):
                counts["with a state"] += bool(list(folder.glob("state*.pt")))
                counts["while a file was written"] += bool(list(folder.glob(".*.partial")))
        if draw.random() > AGAIN:
            break
    code = _wait(_start(config))
    return [f"the continued run ended with code {code}"] if code else []


def _start(config: Config) -> int:
    """A process that runs a configuration, silently; all modules are loaded already."""
    if child := os.fork():
        return child
    code = 1
    try:
        clnorm.run(config)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _compare(whole: Config, killed: Config) -> list[str]:
    """In what two runs' folders differ, but for how long they took."""
    one, two = (next(Path(config.out).glob("*-*")) for config in (whole, killed))
    faults = []
    names = [{str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (one, two)]
    if orphans := names[1] - names[0]:
        faults.append(f"left over: {', '.join(sorted(orphans))}")
    if lacking := names[0] - names[1]:
        return [*faults, f"lacking: {', '.join(sorted(lacking))}"]
    for name in ("model.safetensors", "matrix.csv"):
        if _digest(one / name) != _digest(two / name):
            faults.append(f"{name} differs")
    if not pd.read_parquet(one / "predictions.parquet").equals(pd.read_parquet(two / "predictions.parquet")):
        faults.append("predictions differ")
    if _read_log(one) != _read_log(two):
        faults.append("the log differs")
    records = [RunFolder(folder).load() for folder in (one, two)]
    if records[0].cost["clips_trained"] != records[1].cost["clips_trained"]:
        faults.append("the count of clips differs")
    lock = FileLock(two / ".lock", timeout=0)
    with lock:
        pass
    return faults


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _read_log(folder: Path) -> list[dict[str, object]]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if "second" not in key} for line in lines]


if __name__ == "__main__":
    import clnorm.deploy.saved
    import clnorm.experiment
    import clnorm.strategies.ewc
    import clnorm.strategies.replay
    import clnorm.training.loop

    main()
