"""Finished runs in folders, as `clnorm run` leaves them, without training: predictions are drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from clnorm.config.config import Config
from clnorm.config.identity import digest_weights, setting_id
from clnorm.config.load import merge_config
from clnorm.config.tuned import TUNED_FILE, copy_tuning
from clnorm.data.synthetic.reader import list_clips
from clnorm.results.clips import CLIPS_FILE, write_clips
from clnorm.results.folder import RunFolder, run_name
from clnorm.results.measure import measure
from clnorm.results.of_config import describe_tuning, name_parts
from clnorm.results.record import LABELS, RunRecord
from clnorm.streams.stream import ClipStream, stream_of

SMALL = {
    "dataset": "synthetic:classes=4,train=4,test=3",
    "protocol": "even:experiences=2",
    "data.frames": 4,
    "data.image_size": 16,
    "train.epochs": 2,
    "train.batch_size": 4,
}


def keep_run(out: Path, *, right: float = 0.5, noise: int = 0, **changes) -> Path:
    """The folder of a finished run below `out`.

    Args:
        out: where runs lie.
        right: the share of predictions that are right, about.
        noise: of what is drawn, beside the seed.
        changes: of the configuration, `__` for a dot.
    """
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    config = merge_config({}, {**SMALL, "out": str(out), **dotted})
    table = list_clips(None, **config.dataset.kwargs)
    paths = "videos/" + table.frame["path"]
    table = replace(table, frame=table.frame.assign(path=paths, bytes=np.arange(len(table), dtype=np.int64) + 1000))
    stream = stream_of(config, table)
    predictions = draw_predictions(config, stream, right=right, noise=noise)
    folder = RunFolder(out / run_name(config, data=table.fingerprint))
    folder.path.mkdir(parents=True)
    write_clips(folder.path, table.frame, table.classes)
    if config.tuned is not None:
        copy_tuning(config.tuned, folder.path)
    beside = replace(config, data=replace(config.data, clips=CLIPS_FILE), tuned=config.tuned and TUNED_FILE)
    folder.write("config.yaml", beside.to_yaml())
    record = describe(config, table, stream, folder.path.name)
    folder.write_results(measure(record, predictions, folder.path), predictions)
    return folder.path


def describe(config: Config, table, stream: ClipStream, name: str) -> RunRecord:
    """The record of a run that has trained and was not measured."""
    return RunRecord(
        status="finished",
        run=name,
        names=name_parts(config),
        seed=config.seed,
        setting=setting_id(config, data=table.fingerprint),
        label=LABELS[str(config.norm.kwargs.get("eval", "running"))],
        config=config.to_dict(),
        classes=list(table.classes),
        experiences=[list(part.classes) for part in stream.experiences],
        data={
            "fingerprint": table.fingerprint,
            "content": "0" * 64,
            "train_clips": [len(part.train_ids) for part in stream.experiences],
            "test_clips": [len(part.test_ids) for part in stream.experiences],
            "train_clips_per_class": stream.train_clips_per_class.tolist(),
            "bad": {},
        },
        weights={"sha256": digest_weights(config)} if config.model.weights else {},
        tuning=describe_tuning(config),
        swap={"spec": str(config.norm), "found": 13, "replaced": 13},
        cost={"seconds": 1.0, "clips_trained": 8, "peak_memory_mb": 1.0},
        versions={"clnorm": "0"},
    )


def draw_predictions(config: Config, stream: ClipStream, *, right: float, noise: int) -> pd.DataFrame:
    """Predictions after each step, among the classes trained then."""
    trained = stream.joined() if config.strategy.name == "joint" else stream
    seeds = [config.seed, noise, *str(config.norm).encode(), *config.strategy.name.encode()]
    generator, parts = np.random.default_rng(seeds), []
    for index in range(len(trained.experiences)):
        clips, classes = trained.tested_after(index), trained.order[: trained.seen_after(index)]
        labels = stream.order[stream.targets[clips]]
        drawn = classes[generator.integers(len(classes), size=len(clips))]
        predicted = np.where(generator.random(len(clips)) < right, labels, drawn)
        rank = np.where(predicted == labels, 0, 1)
        confidence = generator.random(len(clips)).astype(np.float32)
        columns = {"clip": clips, "label": labels, "predicted": predicted, "rank": rank, "confidence": confidence}
        parts.append(pd.DataFrame({**columns, "after": index}))
    return pd.concat(parts, ignore_index=True)
