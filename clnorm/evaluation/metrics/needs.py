"""What metrics may need of a run beside its matrix, and why there is no number where a run does not have it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from clnorm.evaluation.metrics.run_data import RunData

FRAME = re.compile(r"(?P<frame>[A-Za-z_]\w*)(\.(?P<column>[A-Za-z_]\w*))?")
"""How a need names a file that a run keeps, without its ending, and a column of it."""


@dataclass(frozen=True)
class Need:
    """One thing that a run may not have.

    Args:
        text: what it is, for the reference.
        reason: why there is no number without it.
        is_met: whether a run has it.
    """

    text: str
    reason: str
    is_met: Callable[[RunData], bool]


NEEDS = MappingProxyType(
    {
        "in_turn": Need(
            "experiences learned in turn",
            "its experiences were learned at once",
            lambda run: len(run.R) == len(run.experiences),
        ),
        "stream": Need(
            "two or more experiences, learned in turn",
            "it did not learn two or more experiences in turn",
            lambda run: len(run.R) == len(run.experiences) > 1,
        ),
        "own_classes": Need(
            "experiences with classes of their own",
            "its experiences share classes",
            lambda run: sum(run.class_counts) == len({label for part in run.experiences for label in part}),
        ),
        "unequal_classes": Need(
            "classes with unequal numbers of training clips",
            "its classes have equally many training clips, or its record does not say how many",
            lambda run: len(set(run.class_train_clips)) > 1,
        ),
        "untrained": Need(
            "accuracies before any training, and on experiences to come: `eval.unseen=true`",
            "it was trained without eval.unseen=true, which tests the untrained model and experiences to come",
            lambda run: run.untrained is not None,
        ),
        "joint": Need(
            "joint training with the same norm, label and seed among the runs of the folder",
            "it compares two runs: tables fill it in where joint training with the same norm, label and seed is among "
            "the runs",
            lambda run: run.joint is not None,
        ),
    }
)
"""By name; any other need is a file that the run keeps, as `predictions` or `predictions.confidence`."""


_KEPT_WITH = {
    "steps": "eval.every=N",
    "predictions.nme": "eval.nearest=exemplars",
    "predictions.ncm": "eval.nearest=all",
    "probes.probe_accuracy": "eval.probe=true",
    "probes.cka": "eval.cka=true",
}
"""What a run is asked for by, that it keeps a file or a column; other files are kept always, or by others."""


def describe_need(name: str) -> str:
    """What a need is, for the reference."""
    if name in NEEDS:
        return NEEDS[name].text
    frame, _, column = name.partition(".")
    asked = f", kept with `{_KEPT_WITH[name]}`" if name in _KEPT_WITH else ""
    return f"`{frame}.parquet`" + (f" with its column `{column}`" if column else "") + asked


def find_lack(name: str, run: RunData) -> str:
    """Why there is no number for want of this; empty where the run has it."""
    if name in NEEDS:
        return "" if NEEDS[name].is_met(run) else NEEDS[name].reason
    frame, _, column = name.partition(".")
    asked = f", which it does with {_KEPT_WITH[name]}" if name in _KEPT_WITH else ""
    if frame not in run.frames:
        return f"it keeps no {frame}.parquet{asked}"
    if column and column not in run.frames[frame].columns:
        return f"it keeps no column {column} in {frame}.parquet{asked}"
    return ""
