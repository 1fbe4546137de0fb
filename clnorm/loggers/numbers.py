"""What is logged of a run: the numbers of a line of `log.jsonl`, and of the accuracies so far, each with its step.

The step is the epoch, counted on over experiences: epoch e of experience k, both from 1, is step (k - 1) E + e, where
E is the number of epochs of an experience, those of fine-tuning included. What is said of a whole experience stands at
its end.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clnorm.evaluation.formulas.matrix import forgetting

_PLACE = ("experience", "epoch", "fine_tuning")  # of a line; the rest is what it says


def count_epochs(config: Mapping[str, Any]) -> int:
    """The epochs of an experience, those of fine-tuning included, by a configuration's dotted keys."""
    return int(config["train.epochs"]) + int(config["train.balanced_epochs"])


def numbers_of_line(line: Mapping[str, Any], *, epochs: int) -> tuple[int, dict[str, float]]:
    """The step of a line of `log.jsonl` and its numbers by name: those of an epoch under `train/`.

    Args:
        line: as `RunFolder.log` takes it.
        epochs: of an experience, from `count_epochs`.
    """
    said = {key: value for key, value in line.items() if key not in _PLACE}
    step = line["experience"] * epochs + line.get("epoch", epochs)
    return step, dict(_flat(said, "train/" if "epoch" in line else ""))


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}/")
        elif isinstance(value, (bool, int, float)):
            yield prefix + key, float(value)


def numbers_of_tests(R: npt.ArrayLike, clips: Sequence[int], *, seen: int) -> dict[str, float]:
    """The accuracies after the last step so far: on each experience, on all seen, and what was forgotten.

    Args:
        R: the accuracy matrix so far, shape (steps, n); NaN where not evaluated.
        clips: test clips of each experience, shape (n,).
        seen: experiences that are learned.

    Returns:
        `test/experience_1` and so on; `test/accuracy`, weighted by clips; and `test/forgetting`, that of the
        experiences so far (Chaudhry et al. 2018), from the second step on. All are shares from 0 to 1.
    """
    matrix = np.asarray(R, dtype=np.float64)
    row, weights = matrix[-1], np.asarray(clips, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(row))
    found = {f"test/experience_{index + 1}": float(row[index]) for index in tested}
    found["test/accuracy"] = float(np.average(row[:seen], weights=weights[:seen]))
    if len(matrix) > 1:
        found["test/forgetting"] = forgetting(matrix[:, :seen])
    return found
