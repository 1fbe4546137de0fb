"""Decoding, building a store, reading from it, and waiting for it: against OpenCV, decoding each epoch and a training step.

    uv pip install -e '.[bench]' -c constraints.txt
    .venv/bin/python benchmarks/data.py FOLDER [--originals FOLDER] [--rounds 5] [--out numbers.json]

FOLDER holds a dataset as `hmdb51` reads it, `--originals` a few more videos, which are decoded whole and cut to 12, 15
and 16 packets as well. What is compared alternates in pairs, since the speed of a machine drifts: a ratio is the median
over the pairs. Of a part's own seconds the least counts.
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
from pathlib import Path

# Before OpenCV is loaded: how many threads its FFmpeg may take for one clip. Clips are read side by side.
os.environ.setdefault("OPENCV_FFMPEG_THREADS", "1")

import cv2
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from clnorm.config import merge_config
from clnorm.data import hmdb51
from clnorm.data.decode import DecodeError, read_clip, return_memory, sample_indices
from clnorm.data.loader import read_batches
from clnorm.data.store import ClipStore
from clnorm.data.table import ClipTable
from clnorm.models.factory import create_model
from clnorm.models.predict import pixels_to_input
from clnorm.strategies.optim import create_optimizer

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
        counts = {T: sum(pool.map(lambda path: decode(path, T), paths)) for T in (8, 16, 32, 64)}
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


def read_opencv(path: Path, *, indices: list[int], size: int) -> np.ndarray:
    """The frames that a store keeps of a clip, by OpenCV: grabbed in a row, since it cannot seek exactly."""
    video, wanted, frames = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), set(indices), []
    for index in range(indices[-1] + 1):
        video.grab()
        if index in wanted:
            frame = cv2.resize(video.retrieve()[1], (size, size), interpolation=cv2.INTER_AREA)
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).transpose(2, 0, 1))
    video.release()
    return np.stack(frames)


def build_opencv(store: ClipStore, table: ClipTable, folder: Path) -> None:
    """What a store holds, read by OpenCV with as many threads, which is told how many frames each clip has."""
    indices = [
        sample_indices(count, frames=store.frames)[:count] if count else [] for count in store.info["decoded"].tolist()
    ]
    with ThreadPoolExecutor(WORKERS) as pool, (folder / "opencv.bin").open("wb") as file:
        for frames in pool.map(lambda path, i: read_opencv(path, indices=i, size=store.size), table.paths(), indices):
            file.write(np.ascontiguousarray(frames).data)
        file.flush()
        os.fsync(file.fileno())


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(work: dict[str, Callable[[], object]], rounds: int, *, clips: int) -> dict[str, object]:
    """Clips a second of two ways, in pairs, and how many times the second's the first's are."""
    taken = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            taken[name].append(seconds(run))
    first, second = taken.values()
    ratios = [other / one for one, other in zip(first, second, strict=True)]
    return {
        "clips_per_second": {name: round(clips / min(times), 1) for name, times in taken.items()},
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def compare_builds(table: ClipTable, shape: dict[str, int], rounds: int, folder: Path) -> dict[str, object]:
    store = ClipStore.open(table, workers=WORKERS, **shape)

    def build() -> None:
        shutil.rmtree(store.folder)
        ClipStore.open(table, workers=WORKERS, **shape)

    opencv = {"store": build, "opencv": lambda: build_opencv(store, table, folder)}
    return compare(opencv, rounds, clips=len(table))


def compare_reading(store: ClipStore, live: ClipStore, clips: int, rounds: int) -> dict[str, object]:
    """Batches in random order; of decoding, which takes so much longer, `clips` clips stand for all."""
    order = np.random.default_rng(0).permutation(len(store))

    def read(source: ClipStore, ids: np.ndarray) -> Callable[[], object]:
        batches = np.array_split(ids, max(1, len(ids) // BATCH))
        return lambda: [None for _ in read_batches(source, batches)]

    first = clips / seconds(read(store, order[:clips]))
    every = np.concatenate([order] * 4)
    taken = [
        (seconds(read(store, every)) / len(every), seconds(read(live, order[:clips])) / clips) for _ in range(rounds)
    ]
    return {
        "clips_per_second": {
            "store": round(1 / min(one for one, _ in taken)),
            "store, each clip's first time, with its checksum": round(first),
            "decoded each epoch": round(1 / min(other for _, other in taken), 1),
        },
        "ratio": round(statistics.median(other / one for one, other in taken), 1),
        "ratio_range": [round(pick(other / one for one, other in taken), 1) for pick in (min, max)],
    }


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--originals", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=200, help="clips in a build that is timed")
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    options = parser.parse_args()
    shape = {"frames": 16, "size": 112}
    table = hmdb51.read(options.folder)
    frame = table.frame.iloc[:: max(1, len(table) // options.clips)].reset_index(drop=True)
    sample = ClipTable("sample", table.root, table.classes, pd.DataFrame(frame))
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CLNORM_CACHE"] = str(Path(temporary) / "cache")
        originals = sorted(options.originals.iterdir()) if options.originals else []
        paths = [*table.paths(), *originals, *cut_copies(originals, Path(temporary))]
        result = {"build": compare_builds(sample, shape, options.rounds, Path(temporary))}
        store, live = (ClipStore.open(table, cache=cache, workers=WORKERS, **shape) for cache in ("store", "none"))
        result["read"] = compare_reading(store, live, 64, options.rounds)
        result["training"] = measure_waiting(store, max(1, options.rounds // 2))
        result["decode"] = decode_all(paths)
        result["memory"] = measure_memory(paths, **shape)
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
