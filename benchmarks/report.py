"""What a report of a thousand runs costs: seconds, of these on the CPU, peak memory and the size of the page.

    .venv/bin/python benchmarks/report.py [--runs 1000] [--classes 10] [--settings 1] [--keep FOLDER]

The runs are made before the clock starts: records of norms x strategies x seeds as a sweep would leave them, with
predictions from which their metrics are computed, a log and, of every tenth one, measures at the norm sites.
"""

import argparse
import json
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from clnorm.config.identity import setting_id
from clnorm.config.load import merge_config
from clnorm.figures.of_sites import MEASURES
from clnorm.report.page import write_report
from clnorm.results.folder import PLASTICITY_FILE, RunFolder, run_name, write_frame
from clnorm.results.measure import measure
from clnorm.results.record import RunRecord

NORMS = {"bn": 0.02, "in": 0.0, "gn": 0.05, "ln": 0.06, "cn": 0.08, "brn": 0.03, "rms": 0.05, "bn:eval=batch": 0.1}
STRATEGIES = {"naive": 0.05, "ewc": 0.2, "lwf": 0.35, "replay": 0.75, "joint": 1.0}
FINGERPRINT = "f" * 64
VERBS = ("brush", "catch", "climb", "dive", "golf", "jump", "kick", "pour", "run", "wave")


def make_run(
    root: Path, *, norm: str, strategy: str, seed: int, classes: int = 10, test: int = 20, sites: bool = False, **config
) -> RunRecord:
    """A finished run as it could be, in a folder of its own below `root`.

    Args:
        root: where.
        norm: that helps as much as `NORMS` says.
        strategy: that keeps as much as `STRATEGIES` says.
        seed: of the class order and of what is right.
        classes: an even number, two in each experience.
        test: test clips of each class.
        sites: whether measures at the norm sites are kept.
        config: keys that are not at their defaults.
    """
    rng = np.random.default_rng([seed, *map(ord, norm + strategy)])
    dataset = f"synthetic:classes={classes},test={test}"
    given = {"norm": norm, "strategy": strategy, "seed": seed, "dataset": dataset, **config}
    built = merge_config({}, {"protocol": f"even:experiences={classes // 2}", "eval.plasticity": sites, **given})
    order = np.random.default_rng(seed).permutation(classes)
    experiences = order.reshape(-1, 2).tolist()
    predictions = predict(rng, order, test, keeps=STRATEGIES[strategy], helps=NORMS[norm])
    folder = root / run_name(built, data=FINGERPRINT)
    names = {kind: getattr(built, kind).short for kind in ("dataset", "protocol", "backbone", "norm", "strategy")}
    train = [100] * len(experiences)
    record = RunRecord(
        status="finished",
        run=folder.name,
        names=names,
        seed=seed,
        setting=setting_id(built, data=FINGERPRINT),
        label="transductive" if "eval=batch" in norm else "",
        config=built.to_dict(),
        classes=[f"{VERBS[label % len(VERBS)]}_{label}" for label in range(classes)],
        experiences=experiences,
        data={"fingerprint": FINGERPRINT, "train_clips": train, "test_clips": [2 * test] * len(experiences)},
        memory={"clips": 50, "frames": 800, "megabytes": 2.5, "kept_megabytes": 2.5} if strategy == "replay" else {},
        swap={"spec": norm, "found": 13, "replaced": 13, "sites": [describe_site(norm, place) for place in range(13)]},
        execution={"precision": "fp32", "attention": "fused", "compile": False, "measured": {}},
        cost={"seconds": float(rng.uniform(150, 250)), "clips_trained": 9160, "peak_memory_mb": 1200.5},
        versions={
            "python": "3.11.7",
            "clnorm": "0.1.0",
            "torch": "2.15.0",
            "platform": "Linux",
            "device": "x86_64 CPU",
        },
    )
    folder.mkdir(parents=True)
    record = measure(replace(record, metrics={}), predictions, folder)
    if sites:
        write_frame(folder / PLASTICITY_FILE, measure_sites(rng, len(experiences)))
    RunFolder(folder).write("log.jsonl", write_log(rng, len(experiences), epochs=built.train.epochs))
    write_frame(folder / "predictions.parquet", predictions)
    RunFolder(folder).write("record.json", record.to_json())
    return record


def predict(rng: np.random.Generator, order: np.ndarray, test: int, *, keeps: float, helps: float) -> pd.DataFrame:
    """Predictions after each step: what was learned last is right the most, and what is wrong is of late."""
    parts = []
    for after in [len(order) // 2 - 1] if keeps == 1 else range(len(order) // 2):
        seen = order[: 2 * (after + 1)]
        label, age = np.repeat(seen, test), after - np.repeat(np.arange(after + 1), 2 * test)
        chosen = seen[-1 - np.minimum(rng.geometric(0.3, len(label)) - 1, len(seen) - 1)]
        right = rng.random(len(label)) < (0.85 + helps) * keeps ** (2 * age / len(order))
        predicted = np.where(right, label, chosen)
        shared = {"after": after, "clip": np.arange(len(label)), "label": label, "predicted": predicted}
        parts.append(pd.DataFrame({**shared, "rank": (predicted != label).astype(int), "confidence": 0.5}))
    return pd.concat(parts, ignore_index=True)


def describe_site(norm: str, place: int) -> dict[str, object]:
    kinds = {"kind_from": "LayerNorm", "kind_to": norm.partition(":")[0].upper()}
    carried = {"carried": ["weight", "bias"], "fresh": [], "parameters": 192, "groups": 32, "running": True}
    return {"name": f"blocks.{place // 3}.norm{place % 3}", **kinds, "channels": 96, "axis": "frame", **carried}


def measure_sites(rng: np.random.Generator, steps: int) -> pd.DataFrame:
    rows = [
        {"after": after, "site": f"blocks.{k // 3}.norm{k % 3}", "channels": 96}
        for after in range(steps)
        for k in range(13)
    ]
    frame = pd.DataFrame(rows)
    for name in MEASURES:
        frame[name] = rng.uniform(1, 40, len(frame)) * 0.93 ** frame["after"]
        if name.startswith("drift"):
            frame.loc[frame["after"] == 0, name] = np.nan
    return frame


def write_log(rng: np.random.Generator, steps: int, *, epochs: int) -> str:
    lines = []
    for step in range(steps):
        for epoch in range(1, epochs + 1):
            loss = float(2.2 * np.exp(-epoch / 3) + 0.1 + rng.uniform(0, 0.08))
            lines.append({"experience": step, "epoch": epoch, "loss": loss, "clips": 100, "clips_per_second": 50.0})
    return "".join(json.dumps(line) + "\n" for line in lines)


def make_runs(root: Path, *, runs: int, classes: int, settings: int) -> int:
    """About as many runs, the same number of seeds for each norm and strategy in each setting; how many."""
    cells = [(norm, strategy, setting) for setting in range(settings) for norm in NORMS for strategy in STRATEGIES]
    seeds = max(1, runs // len(cells))
    for norm, strategy, setting in cells:
        for seed in range(seeds):
            more = {"train.lr": 0.002 / (setting + 1)}
            make_run(root, norm=norm, strategy=strategy, seed=seed, classes=classes, sites=seed % 10 == 0, **more)
    return seeds * len(cells)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--settings", type=int, default=1)
    parser.add_argument("--keep", help="folder for the runs and the page, and take the runs that are there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(options.keep or folder) / "runs"
        if not root.exists():
            started = time.perf_counter()
            made = make_runs(root, runs=options.runs, classes=options.classes, settings=options.settings)
            print(f"{made} runs made in {time.perf_counter() - started:.0f} s, which do not count")
        page = root.parent / "report.html"
        started, worked = time.perf_counter(), time.process_time()
        report = write_report(root, page)
        seconds, work = time.perf_counter() - started, time.process_time() - worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        drawn = sum(len(drawing.pages) for drawings in report.drawings for drawing in drawings)
        print(f"{len(report.collection.runs)} runs, {drawn} figures drawn, {page.stat().st_size / 1e6:.2f} MB")
        print(f"{seconds:.1f} s, {work:.1f} s of these on the CPU, {peak:,.0f} MB at most")


if __name__ == "__main__":
    main()
