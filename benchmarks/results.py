"""What becomes of a thousand runs costs: tables, figures and pages, each as a command of its own.

    .venv/bin/python benchmarks/results.py [--seeds 10] [--keep FOLDER]

The runs are generated: 10 norms x 10 strategies x seeds on the synthetic default, with predictions whose accuracy is
drawn, and all that a run keeps of them. Each row of what is printed is the seconds of a command from its start to its
end, and the size of what it wrote. What commands keep for the next time is there in the second of the two rounds.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from clnorm.config.config import Config
from clnorm.config.identity import setting_id
from clnorm.config.load import merge_config
from clnorm.results.folder import RunFolder, run_name, write_frame
from clnorm.results.measure import measure
from clnorm.results.record import RunRecord, read_record

NORMS = ("bn", "ln", "gn", "cn", "brn", "sn", "dyt", "rms", "in", "identity")
STRATEGIES = ("naive", "joint", "replay", "ewc", "er_ace", "der", "derpp", "icarl", "lwf", "si")
TEMPLATE = next(Path(__file__).parents[1].glob("results/synthetic_cn/*-naive-s0-*"))
COMMANDS = (
    ("table", "FOLDER", "--versus", "bn"),
    ("table", "FOLDER", "--format", "latex"),
    ("plot", "FOLDER", "--figure", "accuracy", "--where", "strategy=replay", "--out", "OUT/accuracy.pdf"),
    ("plot", "FOLDER", "--figure", "ranks", "--where", "strategy=replay", "--out", "OUT/ranks.svg"),
    ("runs", "FOLDER"),
)


def make_run(folder: Path, template: RunRecord, config: Config, generator: np.random.Generator) -> None:
    data = template.data["fingerprint"]
    order = np.random.default_rng(config.seed).permutation(len(template.classes))
    experiences = [part.tolist() for part in np.array_split(order, 5)]
    run = folder / run_name(config, data=data)
    record = replace(
        template,
        run=run.name,
        seed=config.seed,
        names={kind: getattr(config, kind).short for kind in template.names},
        setting=setting_id(config, data=data),
        config=config.to_dict(),
        experiences=experiences,
        matrix=[],
        metrics={},
    )
    predictions = predict(experiences, generator)
    if config.strategy.name == "joint":
        predictions = predictions[predictions["after"] == 4].assign(after=0)
    write_frame(run / "predictions.parquet", predictions)
    RunFolder(run).write_results(measure(record, predictions, run), predictions)


def predict(experiences: list[list[int]], generator: np.random.Generator) -> pd.DataFrame:
    """20 test clips of each class, with the rank of its own class for each and what it is taken for."""
    parts, learned = [], generator.uniform(0.3, 1.0, len(experiences))
    for after in range(len(experiences)):
        seen = np.concatenate(experiences[: after + 1])
        labels = np.repeat(seen, 20)
        accuracy = np.repeat(np.repeat(learned[: after + 1], [len(part) for part in experiences[: after + 1]]), 20)
        right = generator.random(len(labels)) < accuracy
        predicted = np.where(right, labels, generator.choice(seen, len(labels)))
        parts.append(
            pd.DataFrame(
                {
                    "clip": 70 * labels + 50 + np.tile(np.arange(20), len(seen)),
                    "label": labels,
                    "predicted": predicted,
                    "rank": np.where(predicted == labels, 0, 1),
                    "confidence": generator.uniform(0.2, 1.0, len(labels)).astype(np.float32),
                    "after": after,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def make_runs(folder: Path, *, seeds: int) -> int:
    template = read_record(TEMPLATE / "record.json")
    cells = [(norm, strategy, seed) for norm in NORMS for strategy in STRATEGIES for seed in range(seeds)]
    for number, (norm, strategy, seed) in enumerate(cells):
        config = merge_config({}, {"norm": norm, "strategy": strategy, "seed": seed})
        (folder / run_name(config, data=template.data["fingerprint"])).mkdir(parents=True)
        make_run(folder, template, config, np.random.default_rng(number))
    return len(cells)


def time_command(command: tuple[str, ...], folder: Path, out: Path) -> str:
    words = [word.replace("FOLDER", str(folder)).replace("OUT", str(out)) for word in command]
    before = {path for path in out.rglob("*") if path.is_file()}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "clnorm", *words], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"clnorm {' '.join(words)} left with {done.returncode}: {done.stderr}")
    written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file() and path not in before)
    size = written or len(done.stdout.encode())
    for path in before ^ {path for path in out.rglob("*") if path.is_file()}:
        path.unlink()
    return f"{' '.join(command):<75}{seconds:>7.2f} s{size / 1e6:>9.2f} MB"


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
        out.mkdir()
        for round_ in (1, 2):
            print(f"round {round_}")
            for command in COMMANDS:
                print(time_command(command, folder, out), flush=True)


if __name__ == "__main__":
    main()
