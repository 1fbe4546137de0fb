"""What a run's record says of its data and its memory."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import Tensor

from clnorm.config.identity import setting_id
from clnorm.environment import read_versions
from clnorm.norms.running import statistics_buffers, statistics_of
from clnorm.results.of_config import describe_tuning, name_parts
from clnorm.results.record import LABELS, RunRecord
from clnorm.training.accumulation import clips_at_once
from clnorm.training.foreign.guard import list_untold

if TYPE_CHECKING:
    from clnorm.config.config import Config
    from clnorm.data.store.store import ClipStore
    from clnorm.data.table import ClipTable
    from clnorm.streams.stream import ClipStream
    from clnorm.training.trainer import ClipStrategy


def begin_record(
    strategy: "ClipStrategy",
    table: "ClipTable",
    *,
    run: str,
    weights: dict[str, Any],
    swap: dict[str, Any],
    calibration: dict[str, Any],
) -> RunRecord:
    """The record of a run that is about to train.

    Args:
        strategy: ready to train.
        table: all clips of the dataset.
        run: the name of the run's folder.
        weights: the report on pretrained weights.
        swap: the report on the norm sites.
        calibration: the report on statistics estimated before training.
    """
    setup = strategy.setup
    config, stream = setup.config, setup.stream
    return RunRecord(
        run=run,
        names=name_parts(config),
        seed=config.seed,
        setting=setting_id(config, data=table.fingerprint),
        classifier=strategy.classifier,
        label=_label(statistics_of(strategy.model).eval, stream),
        config=config.to_dict(),
        classes=list(table.classes),
        experiences=[list(experience.classes) for experience in stream.experiences],
        data=describe_data(config, table, setup.store, stream),
        weights=weights,
        swap=swap if config.train.accumulate == 1 else {**swap, "clips_at_once": clips_at_once(config.train)},
        execution=setup.execution.to_dict(),
        calibration=calibration,
        tuning=describe_tuning(config),
        versions=read_versions(setup.device),
    )


def _label(by: str, stream: "ClipStream") -> str:
    """The label of a run whose norms evaluate by so and so; where tasks are known to all, being told them is none."""
    return "" if stream.knows_tasks and by == "task" else LABELS[by]


def describe_data(config: "Config", table: "ClipTable", store: "ClipStore", stream: "ClipStream") -> dict[str, Any]:
    from clnorm.data.datasets.match import substitutes_of

    paths, substituted = table.frame["path"], substitutes_of(table)
    return {
        **({"substituted": substituted} if substituted else {}),
        **({"tasks": "known at test"} if stream.knows_tasks else {}),
        **({"looks": [asdict(look) for look in stream.looks]} if stream.looks else {}),
        **({"note": stream.note} if stream.note else {}),
        "fingerprint": table.fingerprint,
        "content": store.content,
        "sources": "unknown" if len(table.without_source) == len(table) else int(table.frame["group"].nunique()),
        "train_clips": [len(experience.train_ids) for experience in stream.experiences],
        "test_clips": [len(experience.test_ids) for experience in stream.experiences],
        "train_clips_per_class": stream.train_clips_per_class.tolist(),
        "frames": store.frames,
        "image_size": store.size,
        **({"validation": validation} if (validation := config.data.validation) else {}),
        "bad": {paths.iloc[clip]: reason for clip, reason in store.bad.items()},
    }


def describe_memory(strategy: "ClipStrategy") -> dict[str, Any]:
    """What the strategy keeps from one experience to the next beside its model, in clips, frames and megabytes.

    `megabytes` are those of the clips' pixels; `payload_megabytes` of what is kept beside each clip; `method_megabytes`
    of what methods hold, such as old models, importances, anchors and class means; `statistics_megabytes` of the norms'
    buffers, those of each task among them; `kept_megabytes` of all of these. Where plug-ins do not tell what they hold,
    `untold` names them, and what they may have a part in is None.
    """
    store, exemplars = strategy.setup.store, strategy.exemplars
    frames = int(store.kept[strategy.memory].sum())
    parts = {
        "megabytes": frames * 3 * store.size**2 / 1e6,
        "payload_megabytes": 0.0 if exemplars is None else _megabytes(exemplars.payload),
        "method_megabytes": _megabytes(strategy.state_dict()["plugins"]),
        "statistics_megabytes": _megabytes(statistics_buffers(strategy.model)),
    }
    whole = {"clips": len(strategy.memory), "frames": frames, **parts, "kept_megabytes": sum(parts.values())}
    untold = list_untold(strategy.plugins)
    if not untold:
        return whole
    known = ("payload_megabytes", "statistics_megabytes")
    return {**{key: value if key in known else None for key, value in whole.items()}, "untold": untold}


def _megabytes(held: Any) -> float:
    """Of all tensors in nested dictionaries and sequences."""
    if isinstance(held, Tensor):
        return held.numel() * held.element_size() / 1e6
    if isinstance(held, dict):
        held = list(held.values())
    return sum(map(_megabytes, held)) if isinstance(held, (list, tuple)) else 0.0
