"""What a run's evaluations have found so far, beside the predictions: kept in its state until it is finished."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from clnorm.config.sections import EvalConfig
from clnorm.errors import UserError
from clnorm.results.folder import RunFolder

STEPS = ("experience", "step", "tested", "accuracy", "clips")
PROBES = ("after", "tested", "probe_accuracy", "cka")
_MEASURES = {"probe_accuracy": "probe", "cka": "cka"}  # the keys of `eval` that ask for them
_KEYS = ("nearest", "views", "every", "probe", "cka")


class Findings:
    """Rows of `steps.parquet` and `probes.parquet`, and the features that later ones are compared with.

    Attributes:
        steps: rows of the columns `STEPS`.
        probes: rows of the columns `PROBES`, NaN where a measure was not asked for.
        references: by experience, (n, d) float32 the features of its test clips right after it was trained.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[float, ...]] = []
        self.probes: list[tuple[float, ...]] = []
        self.references: dict[int, np.ndarray] = {}

    def steps_of(self, index: int) -> Tensor:
        """(n, columns) float64: the rows of steps in experience `index`."""
        return _pack([row for row in self.steps if row[0] == index], STEPS)

    def add_steps(self, rows: Tensor) -> None:
        """Take over what `steps_of` gave."""
        self.steps += _unpack(rows)

    def state_dict(self) -> dict[str, Any]:
        references = {str(index): torch.as_tensor(features) for index, features in self.references.items()}
        return {"steps": _pack(self.steps, STEPS), "probes": _pack(self.probes, PROBES), "references": references}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave; nothing, where an older version began, which found predictions alone."""
        if not state:
            return
        self.steps, self.probes = _unpack(state["steps"]), _unpack(state["probes"])
        self.references = {int(index): features.numpy() for index, features in state["references"].items()}

    def write(self, folder: RunFolder, asked: EvalConfig) -> None:
        """Write the files that a configuration asks for."""
        if asked.every:
            whole = dict.fromkeys(("experience", "step", "tested", "clips"), np.int64)
            folder.write_table("steps", pd.DataFrame(self.steps, columns=STEPS, dtype=np.float64).astype(whole))
        left_out = [column for column, key in _MEASURES.items() if not getattr(asked, key)]
        if len(left_out) < len(_MEASURES):
            frame = pd.DataFrame(self.probes, columns=PROBES, dtype=np.float64).drop(columns=left_out)
            folder.write_table("probes", frame.astype({"after": np.int64, "tested": np.int64}))


def evaluated_as(asked: EvalConfig) -> dict[str, Any]:
    """What of a configuration decides which findings there are."""
    return {key: getattr(asked, key) for key in _KEYS}


def require_alike(asked: EvalConfig, other: dict[str, Any] | None, *, where: str) -> None:
    """Refuse to go on from a run that was evaluated otherwise; one that says nothing had the defaults.

    Raises:
        UserError: its findings are not those that this run asks for.
    """
    theirs = evaluated_as(EvalConfig()) | (other or {})
    for key, value in evaluated_as(asked).items():
        if theirs[key] != value:
            what = f"it was evaluated with eval.{key}={theirs[key]}, and this run is with {value}"
            raise UserError(what, where=where, legal=f"eval.{key}={theirs[key]}", hint="use the keys of eval as it did")


def _pack(rows: list[tuple[float, ...]], columns: tuple[str, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, len(columns))


def _unpack(rows: Tensor) -> list[tuple[float, ...]]:
    return [tuple(row) for row in rows.tolist()]
