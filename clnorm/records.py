"""Run folders: what a run leaves behind, never half-written, and all of them read back as one table."""

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.config import Config, run_id
from clnorm.errors import ClnormError, UserError
from clnorm.fields import plain_values
from clnorm.files import replace_file
from clnorm.sections import TrainConfig

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1

LABELS = {"running": "", "batch": "transductive", "task": "oracle"}
"""What results are labelled by each `eval.stats`: empty where a prediction depends on its own clip alone."""

_A_BAR = "average_incremental_accuracy"
_CHOICES = ("imbalance", "stats_update", "recalibrate_after_exp", "freeze_after_exp")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything that a run states about itself; what only its end can tell is empty until then.

    Attributes:
        schema: version of this record's layout.
        status: `finished` or `unfinished`.
        run: name of the run folder.
        names: dataset, protocol, backbone, norm and strategy, each with the options that are not at their defaults.
        seed: of the run.
        setting: hash of what runs of one table share: all but norm, strategy, seed and `eval.stats`.
        label: `transductive` where test clips were normalized by those evaluated with them, `oracle` where norms were
            told each test clip's experience, else empty.
        config: the configuration in full.
        classes: names of the classes, by class id.
        experiences: the class ids of each experience.
        matrix: accuracy on experience j (columns) after training step t (rows); None where not evaluated.
        untrained: the accuracies before any training, where they were asked for.
        metrics: by name, None where undefined.
        data: clips trained and tested on, and of each class in training (by class id), bad clips by path with the
            reason, and the store's sampling.
        memory: clips, frames and megabytes that the strategy keeps.
        weights: the report on pretrained weights, empty without.
        swap: the report on every norm site.
        execution: precision, attention kernel and compilation, with what a probe measured.
        calibration: norm sites and clips of the estimate before training, empty without.
        cost: seconds, clips that passed the model, peak memory.
        versions: of the packages and the machine.
    """

    schema: int = SCHEMA
    status: str = "unfinished"
    run: str
    names: dict[str, str]
    seed: int
    setting: str
    label: str = ""
    config: dict[str, Any]
    classes: list[str]
    experiences: list[list[int]]
    matrix: list[list[float | None]] = field(default_factory=list)
    untrained: list[float | None] | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    swap: dict[str, Any] = field(default_factory=dict)
    execution: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def run_name(config: Config, *, data: str) -> str:
    """The name of a run's folder: readable parts, then the hash of what changes the result."""
    parts = [config.dataset, config.backbone, config.norm, config.strategy]
    words = [part.name.rpartition(":")[2] for part in parts]
    return "-".join([*words, f"s{config.seed}", run_id(config, data=data)])


class RunFolder:
    """One run's folder; its `record.json` says whether the run is finished."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> RunRecord | None:
        """The record, finished or not, or None where no run has begun."""
        file = self.path / "record.json"
        return read_record(file) if file.exists() else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, creating it; one process at a time. Where nothing is written before an error, it is gone.

        Raises:
            UserError: another process holds it, or it cannot be written.
        """
        from filelock import FileLock, Timeout

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise UserError("another process runs this now", where=str(self.path), hint="wait for it") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(
                f"cannot be written ({reason})", where=str(self.path), hint="choose another --out"
            ) from error
        try:
            yield
        except BaseException:
            if [path.name for path in self.path.glob("*")] == [".lock"]:
                shutil.rmtree(self.path)
            raise
        finally:
            lock.release()

    def write(self, name: str, text: str) -> None:
        """Replace a text file at once."""
        replace_file(self.path / name, lambda file: file.write(text.encode()))

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to `log.jsonl`."""
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """The lines of `log.jsonl`, but for one that a kill cut short."""
        file = self.path / "log.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def save_state(self, state: dict[str, Any]) -> None:
        """Keep what the next experience needs."""
        import torch

        # Through memory, because torch turns a full disk into an error of its own.
        buffer = BytesIO()
        torch.save(state, buffer)
        replace_file(self.path / "state.pt", lambda file: file.write(buffer.getbuffer()))

    def has_state(self) -> bool:
        """Whether a run that was stopped can go on from here."""
        return (self.path / "state.pt").exists()

    def load_state(self) -> dict[str, Any] | None:
        """The saved state, read without pickle's power to run code; None where there is none.

        Raises:
            ClnormError: the file is not a state.
        """
        import torch

        if not self.has_state():
            return None
        file = self.path / "state.pt"
        try:
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds for one cause
            raise ClnormError("is damaged", where=str(file), hint="delete it to start this run anew") from error
        return state

    def write_results(self, record: RunRecord, predictions: "pd.DataFrame") -> None:
        """Write a finished run's files, its record last, and drop the state that is no longer needed."""
        replace_file(self.path / "predictions.parquet", lambda file: predictions.to_parquet(file, index=False))
        lines = [",".join("" if value is None else repr(value) for value in row) for row in record.matrix]
        header = ",".join(f"experience_{index}" for index in range(len(record.experiences)))
        self.write("matrix.csv", "\n".join([header, *lines]) + "\n")
        self.write("record.json", record.to_json())
        (self.path / "state.pt").unlink(missing_ok=True)


def read_record(path: Path) -> RunRecord:
    """A record from its file.

    Raises:
        ClnormError: it is damaged, or of a newer schema.
    """
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
        schema = loaded["schema"]
        known = {item.name for item in fields(RunRecord)}
        newer = schema > SCHEMA
        record = RunRecord(**{key: value for key, value in loaded.items() if key in known})
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "delete the folder to run it again"
        raise ClnormError(f"is no record of a run ({error})", where=str(path), hint=hint) from error
    if newer:
        raise ClnormError(f"has schema {schema}, newer than {SCHEMA}", where=str(path), hint="update clnorm")
    return record


def load_results(folder: str | Path) -> "pd.DataFrame":
    """All runs under a folder, as one long table: one row for each run and metric.

    Returns:
        `retention` is filled in where joint training with the same norm, label and seed is among the runs. Columns run,
        setting, dataset, protocol, backbone, norm, strategy, label, imbalance, the policies of running statistics
        (stats_update, recalibrate_after_exp, freeze_after_exp), seed, status, metric, value. A run that has not
        finished has the status `unfinished` and one row without metric and value.

    Raises:
        UserError: there is no such folder, or no run in it.
        ClnormError: a record is damaged.
    """
    import pandas as pd

    root = Path(folder)
    if not root.is_dir():
        raise UserError("there is no such folder", where=str(root), hint="give the --out of your runs")
    records = [read_record(file) for file in sorted(root.rglob("record.json"))]
    if not records:
        raise UserError("holds no run", where=str(root), hint=f"make one: clnorm run --out {root}")
    joint = {_pair(record): record.metrics.get(_A_BAR) for record in records if record.names["strategy"] == "joint"}
    return pd.DataFrame([row for record in records for row in _rows(_with_retention(record, joint.get(_pair(record))))])


def _pair(record: RunRecord) -> tuple[str, str, str, int]:
    """What a run and the joint training that it is measured against have in common."""
    return record.setting, record.names["norm"], record.label, record.seed


def _with_retention(record: RunRecord, joint: float | None) -> RunRecord:
    """The record with its share of joint training's A-bar, where both are known."""
    own = record.metrics.get(_A_BAR)
    return record if not own or not joint else replace(record, metrics={**record.metrics, "retention": own / joint})


def _rows(record: RunRecord) -> list[dict[str, Any]]:
    recipe = record.config.get("train", {})
    shared = {
        "run": record.run,
        "setting": record.setting,
        **record.names,
        "label": record.label,
        # A record that is older than a key is of a run by what is now its default.
        **{key: recipe.get(key, default) for key, default in plain_values(TrainConfig()).items() if key in _CHOICES},
        "seed": record.seed,
        "status": record.status,
    }
    values = record.metrics.items() or [(None, None)]
    return [{**shared, "metric": name, "value": math.nan if value is None else value} for name, value in values]
