"""What a leaderboard of many runs costs: their predictions read and computed anew, ranked, written as pages.

    .venv/bin/python benchmarks/leaderboard.py [--runs 1000] [--keep FOLDER]

The runs are made up before the clock starts, with 20 classes in 10 experiences and 400 test clips: boards of ten norms
with five seeds each. Printed are the seconds, those of them on the CPU, the process's peak memory, and the size of the
site. A folder that is kept is used again.
"""

import argparse
import importlib.util
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice, product
from pathlib import Path

NORMS = ("bn", "cn", "ln", "gn", "in", "rms", "brn", "bn_cma", "bn_frozen", "sn")
STRATEGIES = ("naive", "replay", "joint", "ewc", "lwf")
SEEDS = 5
STREAM = {"dataset": "synthetic:classes=20,train=10,test=20", "protocol": "even:experiences=10"}


def load_maker() -> Callable[..., Path]:
    """`keep_run` of the tests, which are no package."""
    file = Path(__file__).parents[1] / "tests/submission/made.py"
    spec = importlib.util.spec_from_file_location("made", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.keep_run


def list_runs() -> Iterator[dict[str, object]]:
    for epochs, strategy, (place, norm), seed in product(range(1, 99), STRATEGIES, enumerate(NORMS), range(SEEDS)):
        yield {"train__epochs": epochs, "strategy": strategy, "norm": norm, "seed": seed, "right": 0.3 + 0.04 * place}


def make_runs(folder: Path, count: int) -> None:
    keep_run = load_maker()
    for changes in islice(list_runs(), len(list(folder.glob("*/record.json"))), count):
        keep_run(folder, **STREAM, **changes)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--keep", help="folder to make the runs in, and to leave them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        records = Path(options.keep or f"{temporary}/records")
        records.mkdir(exist_ok=True)
        make_runs(records, options.runs)
        started, worked = time.perf_counter(), time.process_time()
        from clnorm.leaderboard.site import build_site

        imported = time.process_time() - worked
        site = build_site(records, Path(temporary) / "site")
        seconds, work = time.perf_counter() - started, time.process_time() - worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = sum(file.stat().st_size for file in (Path(temporary) / "site").iterdir())
        print(f"{site.counted} runs on {site.boards} boards, {site.left_out} left out")
        print(f"{seconds:.1f} s, {work:.1f} s CPU (imports {imported:.1f}), {peak:,.0f} MB, site {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
