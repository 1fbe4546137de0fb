"""One run looked at closely, and two runs side by side."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.config.config import Config
from clnorm.config.identity import flatten
from clnorm.config.load import merge_config
from clnorm.errors import ClnormError, UserError
from clnorm.results.find import describe_lack
from clnorm.results.folder import PLASTICITY_FILE, RunFolder, read_frame, read_predictions
from clnorm.results.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

ABSENT = "absent"
_NOT_OF_A_RUN = {"out", "data.root", "data.clips"}  # where it and its clips lie


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
    changed, file = _differ(_defaults(record.config), record.config), path / PLASTICITY_FILE
    plasticity = read_frame(file, hint="delete it to show the rest") if file.exists() else None
    return RunView(path, record, changed, classes, confusion, plasticity)


def compare_runs(first: str | Path, second: str | Path) -> Comparison:
    """The keys in which two runs differ, and their metrics.

    Raises:
        UserError, ClnormError: as `read_run`.
    """
    a, b = read_run(first), read_run(second)
    keys = {key: (other, value) for key, (value, other) in _differ(a.config, b.config).items()}
    clips = a.data.get("fingerprint"), b.data.get("fingerprint")
    if clips[0] != clips[1]:
        keys["data.fingerprint"] = clips
    names = dict.fromkeys([*a.metrics, *b.metrics])
    return Comparison(a, b, keys, {name: (a.metrics.get(name), b.metrics.get(name)) for name in names})


def _defaults(config: dict[str, Any]) -> dict[str, Any]:
    """What a configuration would be with nothing given but that it starts from pretrained weights, or does not."""
    start = config.get("model", {})
    given = {"model": {key: start[key] for key in ("pretrained", "weights") if start.get(key)}}
    defaults = merge_config(given, {}).to_dict() if given["model"] else Config().to_dict()
    defaults["model"] = {**defaults["model"], "pretrained": False, "weights": None}
    return defaults


def _differ(usual: dict[str, Any], found: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys of `found` that have another value than in `usual`, each with its value and the usual one."""
    before, after = flatten(usual), flatten(found)
    keys = [key for key in dict.fromkeys([*after, *before]) if key not in _NOT_OF_A_RUN]
    pairs = {key: (after.get(key, ABSENT), before.get(key, ABSENT)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def count_classes(file: Path, record: RunRecord) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """`classes` and `confusion` of a `RunView`, from the predictions of a run.

    Raises:
        ClnormError: the predictions are missing, damaged, or those of another run.
    """
    import pandas as pd

    frame = read_predictions(file, record)
    try:
        last = frame[frame["after"] == frame["after"].max()]
        labels, predicted = last["label"].astype(int), last["predicted"].astype(int)
        first: dict[int, int] = {}  # of each class, its first experience
        for index, group in enumerate(record.experiences):
            for label in group:
                first.setdefault(label, index + 1)
        order = [*first]
        names = [record.classes[label] for label in order]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        hint = "delete the folder to run it again"
        raise ClnormError(f"cannot be read ({error})", where=str(file), hint=hint) from error
    # A run that is limited to its first experiences may predict a class that none of them has.
    shown = [*order, *sorted(set(predicted) - set(order))]
    counts = pd.crosstab(labels, predicted).reindex(index=order, columns=shown, fill_value=0)
    clips = counts.sum(axis=1)
    right = pd.Series([counts.loc[label, label] for label in order], index=order)
    columns = {"class": names, "experience": [*first.values()], "clips": clips.to_numpy()}
    table = pd.DataFrame({**columns, "accuracy": (right / clips).to_numpy()})
    return table, counts.set_axis(names, axis=0).set_axis([record.classes[label] for label in shown], axis=1)
