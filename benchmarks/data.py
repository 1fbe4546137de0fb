"""Decoding, building a store and reading from it: against OpenCV, decoding each epoch and a training step.

    uv pip install -e '.[bench]' -c constraints.txt
    .venv/bin/python benchmarks/data.py FOLDER [--originals FOLDER] [--rounds 5] [--out numbers.json]

FOLDER holds a dataset as `hmdb51` reads it, `--originals` a few more videos, which are cut to 12, 15 and 16 packets as
well. What is compared alternates, since the speed of a machine drifts: a ratio is the median over the rounds, of the
time on the clock and of the processor's time, which other processes disturb less. Of speeds the best round counts.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from clnorm.config.load import merge_config
from clnorm.data.datasets import hmdb51
from clnorm.data.store.decode import read_clip, return_memory, sample_indices
from clnorm.data.store.loader import read_batches
from clnorm.data.store.store import ClipStore
from clnorm.data.store.video import DecodeError
from clnorm.data.table import ClipTable
from clnorm.execution.inputs import pixels_to_input
from clnorm.models.create import create_model
from clnorm.training.optim import create_optimizer

WORKERS, BATCH, STEPS, DECODES = 2, 16, 4, 5000


def cut_copies(originals: list[Path], folder: Path) -> list[Path]:
    """Each video cut to its first 12, 15 and 16 packets, none of them decoded."""
    copies = []
    for path in originals:
        for packets in (12, 15, 16):
            copies.append(folder / f"{packets}_{len(copies)}{path.suffix}")
            command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-c", "copy", "-frames:v", str(packets)]
            subprocess.run([*command, f"file:{copies[-1]}"], check=True)
    return copies


def decode_all(paths: list[Path]) -> dict[str, object]:
    """How many files decode at each T, and why others do not."""
    failures: dict[str, str] = {}

    def decode(path: Path, frames: int) -> bool:
        try:
            return read_clip(path, frames=frames, size=32).frames.shape == (frames, 3, 32, 32)
        except DecodeError as error:
            failures[f"{path.name}, T = {frames}"] = error.reason
            return False

    with ThreadPoolExecutor(WORKERS) as pool:
        counts = {T: sum(pool.map(decode, paths, [T] * len(paths))) for T in (8, 16, 32, 64)}
    return {"files": len(paths), "decoded": counts, "failures": failures}


def resident_megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure_memory(paths: list[Path], *, frames: int, size: int) -> dict[str, float]:
    """How the process grows over many decodes, side by side as a store decodes them, after the first 500."""
    sizes = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, DECODES + 500, 100):
            batch = [paths[k % len(paths)] for k in range(start, start + 100)]
            list(pool.map(lambda path: read_clip(path, frames=frames, size=size).decoded, batch))
            return_memory()
            sizes.append(resident_megabytes())
    return {"decodes": DECODES, "growth_megabytes": round(sizes[-1] - sizes[4], 1), "most": round(max(sizes), 1)}


def read_opencv(path: Path, indices: list[int], *, size: int, threads: list[int]) -> np.ndarray:
    """The frames that a store keeps of a clip, by OpenCV: grabbed in a row, since it cannot seek exactly."""
    video, wanted, frames = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, threads), set(indices), []
    for index in range(indices[-1] + 1):
        video.grab()
        if index in wanted:
            frame = cv2.resize(video.retrieve()[1], (size, size), interpolation=cv2.INTER_AREA)
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    video.release()
    return np.ascontiguousarray(np.stack(frames).transpose(0, 3, 1, 2))


def build_opencv(store: ClipStore, table: ClipTable, folder: Path, *, side_by_side: bool) -> None:
    """What a store holds, read by OpenCV, which is told how many frames each clip has, since it often counts wrong.

    Either by as many threads as the store has, one for each clip, or one clip after another with OpenCV's own threads.
    """
    indices = [sample_indices(count, frames=store.frames)[:count] for count in store.info["decoded"].tolist()]
    threads = [cv2.CAP_PROP_N_THREADS, 1] if side_by_side else []
    read = partial(read_opencv, size=store.size, threads=threads)
    workers = ThreadPoolExecutor(WORKERS if side_by_side else 1)
    with workers as pool, (folder / "opencv.bin").open("wb") as file:
        for frames in pool.map(read, table.paths(), indices):
            file.write(frames.data)
        file.flush()
        os.fsync(file.fileno())


def seconds(work: Callable[[], object]) -> np.ndarray:
    """Seconds on the clock, and of the processor."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - clock, time.process_time() - cpu])


def compare(work: dict[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, object]:
    """Clips a second of each way, given with its clips, and how many times those of the others the first's are."""
    taken = {name: [] for name in work}
    for _ in range(rounds):
        for name, (run, clips) in work.items():
            taken[name].append(seconds(run) / clips)
    first, *others = work
    result: dict[str, object] = {
        "clips_per_second": {name: round(1 / min(t[0] for t in taken[name]), 1) for name in work}
    }
    for name in others:
        ratios = np.array(taken[name]) / np.array(taken[first])
        clock, cpu = np.median(ratios, axis=0)
        low, high = ratios[:, 0].min(), ratios[:, 0].max()
        result[f"over {name}"] = {
            "clock": round(clock, 2),
            "clock_range": [round(low, 2), round(high, 2)],
            "processor": round(cpu, 2),
        }
    return result


def compare_builds(table: ClipTable, shape: dict[str, int], rounds: int, folder: Path) -> dict[str, object]:
    """Building a store from nothing against two ways of reading the same frames by OpenCV."""
    caches = iter(range(1000))

    def build() -> ClipStore:
        os.environ["CLNORM_CACHE"] = str(folder / f"build{next(caches)}")
        return ClipStore.open(table, workers=WORKERS, **shape)

    kept = os.environ["CLNORM_CACHE"]
    store, opencv = build(), partial(build_opencv, table=table, folder=folder)
    work = {
        "store": build,
        "OpenCV, clips side by side": lambda: opencv(store, side_by_side=True),
        "OpenCV, clip after clip": lambda: opencv(store, side_by_side=False),
    }
    result = compare({name: (run, len(table)) for name, run in work.items()}, rounds)
    os.environ["CLNORM_CACHE"] = kept
    return result


def compare_reading(table: ClipTable, shape: dict[str, int], rounds: int) -> dict[str, object]:
    """Batches in random order; of decoding, which takes so much longer, 64 clips stand for all."""
    store, live = (ClipStore.open(table, cache=cache, workers=WORKERS, **shape) for cache in ("store", "none"))
    one = ClipStore.open(table, cache="none", workers=1, **shape)
    order = np.random.default_rng(0).permutation(len(table))

    def read(source: ClipStore, ids: np.ndarray) -> tuple[Callable[[], object], int]:
        batches = np.array_split(ids, max(1, len(ids) // BATCH))
        return lambda: [None for _ in read_batches(source, batches)], len(ids)

    run, clips = read(store, order)
    first = clips / seconds(run)[0]
    work = {
        "store": read(store, np.concatenate([order] * 4)),
        "decoding by two threads": read(live, order[:64]),
        "decoding by one": read(one, order[:64]),
    }
    return compare(work, rounds) | {"store, first time, with checksums": round(first)}


def measure_waiting(store: ClipStore, rounds: int) -> dict[str, object]:
    """The share of a training step of lsvit_tiny that goes by until its batch is there; the first batch included."""
    config = merge_config({}, {"backbone": "lsvit_tiny"})
    sizes = {"image_size": store.size, "num_frames": store.frames}
    model = create_model(config.backbone, norm=config.norm, num_classes=21, **sizes).train()
    optimizer, shares, steps = create_optimizer(model, config.train), [], []
    for seed in range(rounds):
        order = np.random.default_rng(seed).permutation(len(store))[: BATCH * STEPS]
        waited, started = 0.0, time.perf_counter()
        batches = iter(read_batches(store, np.split(order, STEPS)))
        for _ in range(STEPS):
            began = time.perf_counter()
            ids, pixels = next(batches)
            waited += time.perf_counter() - began
            optimizer.zero_grad()
            F.cross_entropy(model(pixels_to_input(pixels)), torch.as_tensor(ids) % 21).backward()
            optimizer.step()
        total = time.perf_counter() - started
        shares.append(waited / total)
        steps.append(total / STEPS)
    return {
        "step_seconds": round(min(steps), 2),
        "waiting_percent": round(100 * statistics.median(shares), 3),
        "most_percent": round(100 * max(shares), 3),
    }


def copy_originals(originals: list[Path], folder: Path) -> ClipTable:
    """A dataset of copies of a few videos."""
    folder.mkdir()
    rows = []
    for copy in range(16):
        for path in originals:
            target = folder / f"{copy}_{path.name}"
            shutil.copyfile(path, target)
            size = target.stat().st_size
            rows.append({"path": target.name, "label": 0, "split": "train", "group": path.name, "bytes": size})
    return ClipTable("originals", folder, ("all",), pd.DataFrame(rows))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    shape = {"frames": 16, "size": 112}
    table = hmdb51.read(options.folder)
    frame = table.frame.iloc[:: max(1, len(table) // options.clips)].reset_index(drop=True)
    tables = {"dataset": ClipTable("sample", table.root, table.classes, pd.DataFrame(frame))}
    originals = sorted(options.originals.iterdir()) if options.originals else []
    if originals:
        tables["originals"] = copy_originals(originals, folder / "originals")
    result: dict[str, object] = {
        "build": {name: compare_builds(clips, shape, options.rounds, folder) for name, clips in tables.items()},
        "read": {name: compare_reading(clips, shape, options.rounds) for name, clips in tables.items()},
    }
    result["training"] = measure_waiting(ClipStore.open(tables["dataset"], **shape), max(1, options.rounds // 2))
    paths = [*table.paths(), *originals, *cut_copies(originals, folder)]
    result["decode"] = decode_all(paths)
    result["memory"] = measure_memory(paths, **shape)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--originals", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=200, help="clips of the dataset that are built and read")
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CLNORM_CACHE"] = str(Path(temporary) / "cache")
        result = measure(options, Path(temporary))
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
