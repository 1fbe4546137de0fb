"""What a run's record says of its data, its memory and its predictions."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import Tensor

from clnorm.config.identity import setting_id
from clnorm.environment import read_versions
from clnorm.norms.running import statistics_buffers, statistics_of
from clnorm.results.record import LABELS, RunRecord
from clnorm.training.accumulation import clips_at_once
from clnorm.training.foreign.guard import list_untold

if TYPE_CHECKING:
    import pandas as pd

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
        names={kind: getattr(config, kind).short for kind in ("dataset", "protocol", "backbone", "norm", "strategy")},
        seed=config.seed,
        setting=setting_id(config, data=table.fingerprint),
        label="" if stream.knows_tasks else LABELS[statistics_of(strategy.model).eval],
        config=config.to_dict(),
        classes=list(table.classes),
        experiences=[list(experience.classes) for experience in stream.experiences],
        data=describe_data(table, setup.store, stream),
        weights=weights,
        swap=swap if config.train.accumulate == 1 else {**swap, "clips_at_once": clips_at_once(config.train)},
        execution=setup.execution.to_dict(),
        calibration=calibration,
        versions=read_versions(setup.device),
    )


def describe_data(table: "ClipTable", store: "ClipStore", stream: "ClipStream") -> dict[str, Any]:
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


def measure(predictions: "pd.DataFrame", stream: "ClipStream") -> dict[str, Any]:
    """The accuracy matrix and all metrics, as fields of the record."""
    from clnorm.evaluation.matrix import UNTRAINED, accuracy_matrix, class_accuracies
    from clnorm.evaluation.metrics import ClassContext, MatrixContext, compute

    def matrix(rows: "pd.DataFrame") -> Any:
        owner = stream.experience_of_class
        return accuracy_matrix(rows, experience_of_class=owner, num_experiences=len(stream.experiences))

    trained = predictions[predictions["after"] != UNTRAINED]
    before = predictions[predictions["after"] == UNTRAINED]
    untrained = matrix(before.assign(after=0))[0] if len(before) else None
    context = MatrixContext(
        clips_per_experience=[len(experience.test_ids) for experience in stream.experiences],
        classes_per_experience=[len(experience.classes) for experience in stream.experiences],
        untrained=untrained,
        classes=ClassContext(
            accuracies=class_accuracies(trained, num_classes=stream.num_classes),
            experiences=stream.experience_of_class,
            train_clips=stream.train_clips_per_class,
        ),
    )
    accuracies = matrix(trained)
    return {
        "matrix": [[_defined(value) for value in row] for row in accuracies],
        "untrained": None if untrained is None else [_defined(value) for value in untrained],
        "metrics": {name: _defined(value) for name, value in compute(accuracies, context).items()},
    }


def _defined(value: float) -> float | None:
    """JSON has no NaN: what is undefined is null."""
    return None if value != value else float(value)
