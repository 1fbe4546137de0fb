"""One run looked at closely, and two runs side by side."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clnorm.config.added import fill_added
from clnorm.config.config import Config
from clnorm.config.identity import NOT_IDENTITY, flatten
from clnorm.config.load import merge_config
from clnorm.errors import ClnormError, UserError
from clnorm.reading import check_types
from clnorm.results.find import describe_lack
from clnorm.results.folder import PLASTICITY_FILE, RunFolder, read_frame, read_predictions
from clnorm.results.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

ABSENT = "absent"
NOT_OF_A_RUN = {"out", "data.root", "data.clips", "log"}
"""The keys that say where a run and its clips lie, and where it was followed, in which runs do not differ."""


@dataclass(frozen=True)
class RunView:
    """A run and what its files say beside its record.

    Args:
        folder: of the run.
        record: its record.
        changed: the keys that differ from the defaults, each with its value and the default.
        classes: one row a class, in the order in which the run met them: `class`, `experience` (from 1), `clips`,
            `accuracy` after the last step (0 to 1); None where the run left no predictions.
        confusion: (classes, classes) test clips by class (rows) and prediction (columns) after the last step, in that
            order; None as for `classes`.
        plasticity: what was measured at each norm site after each experience; None where nothing was.
    """

    folder: Path
    record: RunRecord
    changed: dict[str, tuple[Any, Any]]
    classes: "pd.DataFrame | None"
    confusion: "pd.DataFrame | None"
    plasticity: "pd.DataFrame | None"


@dataclass(frozen=True)
class Confusion:
    """Which class is taken for which after the last step.

    Args:
        classes: names, in the order in which the run met them.
        experiences: the first one of each class, from 1.
        predicted: names, in that order; behind it others that are predicted all the same.
        counts: (classes, predicted) test clips.
    """

    classes: list[str]
    experiences: list[int]
    predicted: list[str]
    counts: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """(classes,) from 0 to 1; NaN of a class without a clip."""
        with np.errstate(invalid="ignore"):
            shares: npt.NDArray[np.float64] = self.counts.diagonal() / self.counts.sum(axis=1)
        return shares


@dataclass(frozen=True)
class Comparison:
    """Two runs: by key and by metric, the value of each."""

    first: RunRecord
    second: RunRecord
    keys: dict[str, tuple[Any, Any]]
    metrics: dict[str, tuple[float | None, float | None]]


def read_run(folder: str | Path) -> RunRecord:
    """The record in a run's folder, finished or not.

    Raises:
        UserError: the folder is none of a run; where runs are in it, one is named.
        ClnormError: the record is damaged, or there is none beside files of a run.
    """
    path = Path(folder)
    record = RunFolder(path).load()
    if record is None:
        if lack := describe_lack(path):
            raise lack
        runs = sorted(file.parent for file in path.glob("*/record.json"))
        hint = f"give one of the runs in it, such as {runs[0]}" if runs else f"see: clnorm runs {path.parent}"
        raise UserError("is not the folder of a run", where=str(path), hint=hint)
    return record


def inspect_run(folder: str | Path) -> RunView:
    """A run with its keys that differ from the defaults, and the accuracy on each class.

    Raises:
        UserError, ClnormError: as `read_run`, or the predictions cannot be read.
    """
    path, record = Path(folder), read_run(folder)
    predictions = path / "predictions.parquet"
    classes, confusion = count_classes(predictions, record) if predictions.exists() else (None, None)
    file = path / PLASTICITY_FILE
    plasticity = read_frame(file, hint="delete it to show the rest") if file.exists() else None
    return RunView(path, record, list_changed(record.config), classes, confusion, plasticity)


def compare_runs(first: str | Path, second: str | Path) -> Comparison:
    """The keys in which two runs differ, and their metrics.

    Raises:
        UserError, ClnormError: as `read_run`.
    """
    a, b = read_run(first), read_run(second)
    configs = [flatten(fill_added(record.config)) for record in (a, b)]
    keys = {key: (other, value) for key, (value, other) in _differ(*configs).items()}
    clips = a.data.get("fingerprint"), b.data.get("fingerprint")
    if clips[0] != clips[1]:
        keys["data.fingerprint"] = clips
    names = dict.fromkeys([*a.metrics, *b.metrics])
    return Comparison(a, b, keys, {name: (a.metrics.get(name), b.metrics.get(name)) for name in names})


def list_changed(config: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys of a configuration that differ from the defaults, each with its value and the default.

    The defaults are those of what it starts from, pretrained weights or none.

    Raises:
        UserError: it starts from what cannot be.
    """
    found = flatten(fill_added(config))
    start = {"model.pretrained": found.get("model.pretrained", False), "model.weights": found.get("model.weights")}
    try:
        check_types(start, {"model.pretrained": bool, "model.weights": str | None})
    except ValueError as error:
        raise UserError(str(error), where="configuration", hint="do the run again") from error
    return _differ(_defaults(*start.values()), found)


@lru_cache(maxsize=64)  # runs of one folder start from the same
def _defaults(pretrained: bool, weights: str | None) -> dict[str, Any]:
    given = {key: value for key, value in (("pretrained", pretrained), ("weights", weights)) if value}
    defaults = flatten((merge_config({"model": given}, {}) if given else Config()).to_dict())
    return {**defaults, "model.pretrained": False, "model.weights": None}


def _differ(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys that have another value in `after` than in `before`, each with its value and the one before.

    What changes no result and a record is too old to tell is no difference.
    """
    untold = (before.keys() ^ after.keys()) & NOT_IDENTITY
    keys = [key for key in dict.fromkeys([*after, *before]) if key not in NOT_OF_A_RUN | untold]
    pairs = {key: (after.get(key, ABSENT), before.get(key, ABSENT)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def count_classes(file: Path, record: RunRecord) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """`classes` and `confusion` of a `RunView`, from the predictions of a run.

    Raises:
        ClnormError: as `count_predictions`.
    """
    import pandas as pd

    found = count_predictions(file, record)
    columns = {"class": found.classes, "experience": found.experiences, "clips": found.counts.sum(axis=1)}
    table = pd.DataFrame({**columns, "accuracy": found.accuracy})
    return table, pd.DataFrame(found.counts, index=found.classes, columns=found.predicted)


def count_predictions(file: Path, record: RunRecord) -> Confusion:
    """Which class is predicted how often for which after the last step of a run.

    Raises:
        ClnormError: the predictions are missing, damaged, or those of another run.
    """
    number = len(record.classes)
    frame = read_predictions(file, record, columns=["after", "label", "predicted"])
    try:
        last = frame["after"].to_numpy() == frame["after"].max()
        pairs = frame[["label", "predicted"]].to_numpy()[last].astype(int)
        if ((pairs < 0) | (pairs >= number)).any():
            raise ValueError(f"it names a class that is not one of {number}")
    except (ValueError, TypeError) as error:
        hint = "delete the folder to run it again"
        raise ClnormError(f"cannot be read ({error})", where=str(file), hint=hint) from error
    counts = np.bincount(pairs @ [number, 1], minlength=number**2).reshape(number, number)
    first: dict[int, int] = {}  # of each class, its first experience
    for index, group in enumerate(record.experiences):
        for label in group:
            first.setdefault(label, index + 1)
    order = [*first]
    # A run that is limited to its first experiences may predict a class that none of them has.
    shown = [*order, *sorted(set(np.flatnonzero(counts.any(axis=0)).tolist()) - set(order))]
    names = record.classes
    return Confusion([names[i] for i in order], [*first.values()], [names[i] for i in shown], counts[order][:, shown])
