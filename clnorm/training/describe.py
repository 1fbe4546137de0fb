"""What a run's record says of its data, its memory and its predictions."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clnorm.config.identity import list_values, setting_id
from clnorm.config.tuned import leave_out_options, read_tuning
from clnorm.environment import read_versions
from clnorm.norms.running import statistics_of
from clnorm.results.record import LABELS, RunRecord
from clnorm.training.accumulation import clips_at_once

if TYPE_CHECKING:
    import pandas as pd

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
        names=_name_parts(config),
        seed=config.seed,
        setting=setting_id(config, data=table.fingerprint),
        label="" if stream.knows_tasks else LABELS[statistics_of(strategy.model).eval],
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


def _name_parts(config: "Config") -> dict[str, str]:
    """The names of a record; tuned options, which each norm has of its own, are not in the strategy's."""
    kinds = ("dataset", "protocol", "backbone", "norm", "strategy")
    names = {kind: getattr(config, kind).short for kind in kinds}
    if config.tuned is None:
        return names
    options = read_tuning(config.tuned).options_of(config.strategy.name)
    return {**names, "strategy": leave_out_options(config.strategy, options)}


def describe_tuning(config: "Config") -> dict[str, Any]:
    """How the run's tuned values were found, and in which keys the trials were otherwise; empty without any."""
    if config.tuned is None:
        return {}
    tuning = read_tuning(config.tuned)
    cell, own = tuning.cell_of(config), list_values(config)
    told = ("digest", "metric", "trials", "experiences", "validation", "seeds", "sampler", "search")
    return {
        **{name: getattr(tuning, name) for name in told},
        "values": cell["values"],
        "failed": cell["failed"],
        "otherwise": {key: value for key, value in tuning.config.items() if key in own and own[key] != value},
    }


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
    store = strategy.setup.store
    frames = int(store.kept[strategy.memory].sum())
    return {"clips": len(strategy.memory), "frames": frames, "megabytes": frames * 3 * store.size**2 / 1e6}


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
    present = sorted(stream.classes)
    context = MatrixContext(
        clips_per_experience=[len(experience.test_ids) for experience in stream.experiences],
        classes_per_experience=[len(experience.classes) for experience in stream.experiences],
        untrained=untrained,
        classes=ClassContext(
            accuracies=class_accuracies(trained, num_classes=stream.num_classes)[:, present],
            experiences=stream.experience_of_class[present],
            train_clips=stream.train_clips_per_class[present],
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
