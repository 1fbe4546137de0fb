"""What a step of each method costs over one of naive fine-tuning, and what it keeps.

    .venv/bin/python benchmarks/methods.py [--pairs 7] [--methods ewc,si,mas,lwf,l2_init] [--set KEY=VALUE ...]

Each method has trained one experience, so that its penalty holds, and takes its steps of the second one, from the first
to the last, in turns with naive: what it does when an experience ends does not count. The ratio is the median over
pairs, of processor time, which what else runs on the machine does not change. Bytes are those of the tensors that it
holds after two experiences.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

from clnorm.config.config import Config
from clnorm.config.load import merge_config
from clnorm.data.augment.presets import create_augmentation
from clnorm.data.store.store import ClipStore
from clnorm.data.synthetic.reader import read
from clnorm.execution.execution import Execution
from clnorm.models.create import create_model
from clnorm.progress import Reporter
from clnorm.streams.stream import create_stream
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy

SMALL = {
    "dataset": "synthetic:classes=4,train=32,test=2",
    "protocol": "even:experiences=2",
    "train.epochs": 1,
    "out": tempfile.gettempdir(),
}


def build(config: Config) -> ClipStrategy:
    """The strategy of a configuration, one experience trained."""
    table = read(None, **config.dataset.kwargs)
    data = config.data
    store = ClipStore.open(table, frames=data.frames, size=data.image_size)
    stream = create_stream(table, config.protocol, seed=0, bad={})
    sizes = {"image_size": data.image_size, "num_frames": data.frames, "num_classes": stream.num_classes}
    model, augment = create_model(config.backbone, norm=config.norm, **sizes), create_augmentation(data.augment, ())
    device, execution = torch.device("cpu"), Execution(precision=config.train.precision)
    setup = Setup(config, model, store, stream, device, Reporter(), lambda record: None, execution, augment)
    strategy: ClipStrategy = config.strategy.build(setup)
    strategy.train_experience(0)
    return strategy


def time_steps(strategy: ClipStrategy) -> float:
    """Seconds of the processor that the steps of the second experience take, the first one left out."""
    moments: list[float] = []
    strategy.on_step = lambda: moments.append(time.process_time())
    strategy.train_experience(1)
    return moments[-1] - moments[0]


def count_bytes(held: object) -> int:
    """The bytes of all tensors in a state."""
    if isinstance(held, torch.Tensor):
        return held.numel() * held.element_size()
    parts = held.values() if isinstance(held, dict) else held if isinstance(held, list) else ()
    return sum(map(count_bytes, parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--methods", default="ewc,si,mas,lwf,l2_init")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the configuration")
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    options = parser.parse_args()
    changes = SMALL | dict(word.split("=", 1) for word in options.set)
    names = ["naive", *options.methods.split(",")]
    strategies = {name: build(merge_config({}, {**changes, "strategy": name})) for name in names}
    for strategy in strategies.values():
        time_steps(strategy)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.pairs):
        for name, strategy in strategies.items():
            seconds[name].append(time_steps(strategy))
    rows = []
    for name, taken in seconds.items():
        ratios = [a / b for a, b in zip(taken, seconds["naive"], strict=True)]
        held = count_bytes(strategies[name].state_dict()["plugins"])
        ratio, span = statistics.median(ratios), (min(ratios), max(ratios))
        rows.append({"method": name, "ratio": round(ratio, 3), "range": [round(end, 3) for end in span], "bytes": held})
        print(
            f"{name:<20}{statistics.median(taken):8.3f} s{ratio:8.3f} x  ({span[0]:.3f} to {span[1]:.3f}){held:>12} B"
        )
    if options.out:
        options.out.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
