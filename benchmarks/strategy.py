"""What the Avalanche strategy costs over a bare loop of the same model, batches and optimizer.

    .venv/bin/python benchmarks/strategy.py [--pairs 7] [--clips 64]

Both train on the same clips in the same order from the same weights. The two alternate, and the ratio is the median
over pairs, since the machine's speed drifts. That both reach the same weights is checked and stated.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from clnorm.config.config import Config
from clnorm.config.load import merge_config
from clnorm.data.augment.presets import create_augmentation
from clnorm.data.store.store import ClipStore
from clnorm.data.synthetic.reader import read
from clnorm.execution.execution import Execution
from clnorm.execution.inputs import pixels_to_input
from clnorm.models.create import create_model
from clnorm.progress import Reporter
from clnorm.seeding import derive_seed, numpy_generator
from clnorm.strategies.baselines import naive
from clnorm.streams.stream import create_stream
from clnorm.training.epochs import plan_epoch
from clnorm.training.optim import create_optimizer, create_schedule
from clnorm.training.setup import Setup


def new_model(config: Config, classes: int) -> torch.nn.Module:
    data = config.data
    return create_model(
        config.backbone, norm=config.norm, num_classes=classes, image_size=data.image_size, num_frames=data.frames
    )


def time_bare(config: Config, store: ClipStore, stream: object) -> tuple[float, torch.nn.Module]:
    """A loop as one would write it by hand: gather, forward, loss, backward, step."""
    model, recipe, experience = new_model(config, stream.num_classes), config.train, stream.experiences[0]
    targets = torch.as_tensor(stream.targets)
    torch.manual_seed(derive_seed(config.seed, "dropout", 0))
    started = time.perf_counter()
    plans = [
        plan_epoch(
            experience.train_ids,
            np.empty(0, dtype=np.int64),
            batch_size=recipe.batch_size,
            recalled=0,
            generator=numpy_generator(config.seed, "batches", 0, epoch),
        )
        for epoch in range(recipe.epochs)
    ]
    optimizer = create_optimizer(model, recipe)
    schedule = create_schedule(optimizer, recipe, steps=sum(len(plan) for plan in plans))
    model.train()
    for ids in (ids for plan in plans for ids in plan):
        optimizer.zero_grad()
        F.cross_entropy(model(pixels_to_input(store.gather(ids))), targets[ids]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
        optimizer.step()
        schedule.step()
    return time.perf_counter() - started, model


def time_strategy(config: Config, store: ClipStore, stream: object) -> tuple[float, torch.nn.Module]:
    """The same through clnorm's Avalanche strategy, its tracking included."""
    model = new_model(config, stream.num_classes)
    device, augment = torch.device("cpu"), create_augmentation(config.data.augment, ())
    setup = Setup(config, model, store, stream, device, Reporter(), lambda record: None, Execution(), augment)
    strategy = naive(setup)
    started = time.perf_counter()
    strategy.train_experience(0)
    return time.perf_counter() - started, model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--out", type=Path, help="write the numbers to this JSON file")
    options = parser.parse_args()
    config = merge_config({}, {"train.epochs": 2, "protocol": "even:experiences=1", "out": tempfile.gettempdir()})
    dataset = config.dataset.kwargs | {"train": options.clips // 4, "classes": 4, "test": 2}
    table = read(None, **dataset)
    store = ClipStore.open(table, frames=config.data.frames, size=config.data.image_size)
    stream = create_stream(table, config.protocol, seed=0, bad={})
    _, bare = time_bare(config, store, stream)
    _, through = time_strategy(config, store, stream)
    equal = all(torch.equal(a, b) for a, b in zip(bare.parameters(), through.parameters(), strict=True))
    pairs = [
        (time_bare(config, store, stream)[0], time_strategy(config, store, stream)[0]) for _ in range(options.pairs)
    ]
    ratios = [strategy / loop for loop, strategy in pairs]
    result = {
        "equal_weights": equal,
        "clips": 2 * len(table.train_ids),
        "bare_seconds": round(statistics.median(loop for loop, _ in pairs), 3),
        "strategy_seconds": round(statistics.median(strategy for _, strategy in pairs), 3),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
