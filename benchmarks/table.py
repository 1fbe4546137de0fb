"""What a table of a million clips costs: listed in a CSV, read, split by group, ordered, made into 100 experiences.

    .venv/bin/python benchmarks/table.py [--clips 1000000] [--classes 1000] [--experiences 100]

The clips are hard links to a few empty files, made before the clock starts; the reader looks at each of them, as it
does at real ones. Each row of what is printed is the seconds of a step, those of them on the CPU, and the process's
peak memory after it; importing torch and Avalanche is a step of its own.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clnorm.catalogue import DATASETS, PROTOCOLS


def make_files(root: Path, *, clips: int, classes: int) -> None:
    """A CSV with path, label and group (of five clips each), and the files that it names."""
    anchors = []
    with (root / "clips.csv").open("w") as file:
        file.write("path,label,group\n")
        for clip in range(clips):
            label, number = clip % classes, clip // classes
            folder = root / f"class{label:04}"
            if number == 0:
                folder.mkdir()
            if clip % 50_000 == 0:  # file systems limit the links to one file
                anchors.append(root / f"anchor{clip}")
                anchors[-1].touch()
            name = f"source{number // 5}_clip{number}.mp4"
            (folder / name).hardlink_to(anchors[-1])
            file.write(f"{folder.name}/{name},class{label:04},class{label:04}/source{number // 5}\n")


def timed(name: str, step: Callable[[], object]) -> object:
    started, worked = time.perf_counter(), time.process_time()
    result = step()
    seconds, work = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<40}{seconds:>8.1f} s{work:>8.1f} s CPU{peak:>10,.0f} MB")
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--experiences", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        started = time.perf_counter()
        make_files(root, clips=options.clips, classes=options.classes)
        print(f"{options.clips:,} files made in {time.perf_counter() - started:.0f} s, which do not count")
        started, worked = time.perf_counter(), time.process_time()
        create_stream, create_benchmark = timed("imports", import_streams)
        dataset = DATASETS.parse("folder")
        read = DATASETS.get("folder").load()
        table = timed("read, checked and split by group", lambda: read(root, progress=None, **dataset.kwargs))
        timed("fingerprint", lambda: table.fingerprint)
        protocol = PROTOCOLS.parse(f"even:experiences={options.experiences}")
        stream = timed("ordered and cut", lambda: create_stream(table, protocol, seed=0, bad={}))
        benchmark = timed("Avalanche benchmark", lambda: create_benchmark(stream))
        seconds, work = time.perf_counter() - started, time.process_time() - worked
        print(f"{'in all':<40}{seconds:>8.1f} s{work:>8.1f} s CPU")
        if (carried := count_ids(benchmark)) != options.clips:
            raise SystemExit(f"the stream carries {carried} clips of {options.clips}")


def import_streams() -> tuple[Callable[..., object], Callable[..., object]]:
    from clnorm.streams.stream import create_stream
    from clnorm.training.benchmark import create_benchmark

    return create_stream, create_benchmark


def count_ids(benchmark: object) -> int:
    streams = (benchmark.train_stream, benchmark.test_stream)
    return sum(len(np.asarray(experience.dataset.clips.data)) for stream in streams for experience in stream)


if __name__ == "__main__":
    main()
