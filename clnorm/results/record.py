"""What a run says of itself: its record, and the notes that its labels stand for."""

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from clnorm.errors import ClnormError
from clnorm.files import UNSEALED, check_seal, seal
from clnorm.ranks import Ranks
from clnorm.reading import check_types, read_json, read_regular

SCHEMA = 2
"""Records have a checksum since 2."""

LABELS = {"running": "", "batch": "transductive", "task": "oracle"}
"""What results are labelled by each `eval` of norms: empty where a prediction depends on its own clip alone."""

UNKNOWN = "unknown"
"""What a table says of a value that an older record does not hold."""

NAMES = ("dataset", "protocol", "backbone", "norm", "strategy")
"""What each run names."""

_COST = ("seconds", "clips_trained", "peak_memory_mb")
_MEMORY = {
    "clips": int | None,
    "frames": int | None,
    "megabytes": float | None,
    "kept_megabytes": float | None,
    "untold": list[str],
}
_TUNING = {
    "digest": str,
    "metric": str,
    "trials": int,
    "experiences": int,
    "validation": float,
    "seeds": list[int],
    "search": list[str] | dict[str, Any],
    "otherwise": dict[str, Any],
}
_LONGEST = 4000  # characters of a name, which may hold the path of a file


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything that a run states about itself; what only its end can tell is empty until then.

    Attributes:
        schema: version of this record's layout.
        status: `finished` or `unfinished`.
        run: name of the run folder.
        names: dataset, protocol, backbone, norm and strategy, each with the options that are not at their defaults.
        seed: of the run.
        setting: hash of what runs of one table share: all but norm, strategy and seed.
        classifier: what predicted test clips: the model's `head`, or `nme`, the nearest mean of exemplars.
        label: `transductive` where test clips were normalized by those evaluated with them, `oracle` where norms were
            told each test clip's experience, else empty.
        config: the configuration in full.
        classes: names of the classes, by class id.
        experiences: the class ids of each experience.
        matrix: accuracy on experience j (columns) after training step t (rows); None where not evaluated.
        untrained: the accuracies before any training, where they were asked for.
        metrics: by name, None where undefined.
        data: the number of sources of all clips, or `unknown` where nothing tells them; clips trained and tested on,
            and of each class in training (by class id), how many files have another name than official lists say, for
            each way in which they do (`.mp4 for .avi`), bad clips by path with the reason, the store's sampling, and
            the share of training clips that the test clips are, where these are held out (`validation`).
        memory: clips, frames and megabytes that the strategy keeps; `kept_megabytes` of everything kept, see
            `clnorm.training.describe.describe_memory`; None where plug-ins do not tell, which `untold` names.
        weights: the report on pretrained weights, with the `sha256` of their file where they are of one, empty without.
        swap: the report on every norm site.
        execution: precision, attention kernel and compilation.
        calibration: norm sites and clips of the estimate before training, empty without.
        tuning: how the `values` of the keys in `search` were found by `clnorm tune`: the `digest` of its file, how many
            trials `failed` for this norm and strategy, and what the trials had `otherwise`; empty without.
        cost: seconds, clips that passed the model, peak memory; what another run had done already is counted.
        reused: each `experience` whose training was taken over from a run that was the same up to its end, with the
            `seconds` of `cost` that were saved so.
        earlier: the parts of the run that were made with other `versions` than its end, each `until` where.
        versions: of the packages and the machine.
    """

    schema: int = SCHEMA
    status: str = "unfinished"
    run: str
    names: dict[str, str]
    seed: int
    setting: str
    classifier: str = "head"
    label: str = ""
    config: dict[str, Any]
    classes: list[str]
    experiences: list[list[int]]
    matrix: list[list[float | None]] = field(default_factory=list)
    untrained: list[float | None] | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    swap: dict[str, Any] = field(default_factory=dict)
    execution: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    tuning: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    reused: list[dict[str, Any]] = field(default_factory=list)
    earlier: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The record as JSON text with its checksum, which `read_record` compares."""
        content = {**asdict(self), "schema": SCHEMA, "checksum": UNSEALED}
        return seal((json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()).decode()


def share_record(record: RunRecord | None, ranks: Ranks) -> RunRecord | None:
    """The first process's record, in each of them."""
    if ranks.size == 1:
        return record
    content = ranks.share(None if record is None else json.dumps(asdict(record)).encode())
    return None if content is None else RunRecord(**json.loads(content))


def read_record(path: Path) -> RunRecord:
    """A record from its file.

    Raises:
        ClnormError: it cannot be read, it is damaged or was changed, it has no checksum and is not of an earlier
            version that wrote none, or it is of a newer schema.
    """
    try:
        content = read_regular(path)
        sealed = check_seal(content)
        loaded = read_json(content)
        if not isinstance(loaded, dict):
            raise ValueError("it is no mapping")
        schema: Any = loaded.get("schema")
        check_types({"schema": schema}, {"schema": int})
        if not sealed and 1 < schema <= SCHEMA:
            raise ValueError("it has no checksum")
        kinds = _kinds()
        newer = schema > SCHEMA
        check_types(loaded, kinds)
        record = RunRecord(**{key: value for key, value in loaded.items() if key in kinds})
        _check(record)
    except OSError as error:
        raise ClnormError(f"cannot be read ({error.strerror or error})", where=str(path)) from error
    except (ValueError, KeyError, TypeError) as error:
        hint = "delete the folder to run it again"
        raise ClnormError(f"is no record of a run ({error})", where=str(path), hint=hint) from error
    if newer:
        raise ClnormError(f"has schema {schema}, newer than {SCHEMA}", where=str(path), hint="update clnorm")
    return record


@cache
def _kinds() -> dict[str, Any]:
    """The type of each field."""
    return get_type_hints(RunRecord)


def _check(record: RunRecord) -> None:
    """Refuse a record that lacks what is read of every one of its status, or says what of no run is true.

    Raises:
        ValueError: it does; the part is named.
    """
    if absent := [name for name in NAMES if name not in record.names]:
        raise ValueError(f"names lacks {absent[0]}")
    if long := [name for name, text in record.names.items() if len(text) > _LONGEST]:
        raise ValueError(f"names.{long[0]} has more than {_LONGEST} characters")
    if record.label not in LABELS.values():
        raise ValueError(f"label is {record.label!r}")
    _check_config(record.config)
    width, count = len(record.experiences), len(record.classes)
    if len(set(record.classes)) < count:
        raise ValueError("classes has a name twice")
    if any(not 0 <= label < count for experience in record.experiences for label in experience):
        raise ValueError(f"experiences hold a class that is not one of {count}")
    if not all(record.experiences):
        raise ValueError("experiences has one without a class")
    if any(len(row) != width for row in record.matrix):
        raise ValueError(f"matrix has a row that is not of {width} experiences")
    if wrong := [value for row in record.matrix for value in row if value is not None and not 0 <= value <= 1]:
        raise ValueError(f"matrix holds {wrong[0]}, which is no share")
    _check_told(record)


def _check_config(config: dict[str, Any]) -> None:
    """Refuse a configuration whose sections are none, or whose values are not plain.

    Raises:
        ValueError: it is such a one.
    """
    for name in ("data", "model", "train", "eval"):
        if not isinstance(config.get(name, {}), dict):
            raise ValueError(f"config.{name} is no mapping")
    sections = [config]
    while sections:
        for key, value in sections.pop().items():
            if isinstance(value, dict):
                sections.append(value)
            elif isinstance(value, list):
                raise ValueError(f"config has a list for {key}")


def _check_told(record: RunRecord) -> None:
    """Refuse what a part of a record that has parts of its own says wrongly.

    Raises:
        ValueError: a part is missing, or of another type.
    """
    memory = {f"memory.{key}": value for key, value in record.memory.items()}
    check_types(memory, {f"memory.{key}": kind for key, kind in _MEMORY.items()})
    if record.tuning:
        tuning = {f"tuning.{key}": record.tuning.get(key) for key in _TUNING}
        check_types(tuning, {f"tuning.{key}": kind for key, kind in _TUNING.items()})
    if record.status == "finished":
        check_types({"data.test_clips": record.data.get("test_clips")}, {"data.test_clips": list[int]})
        clips = record.data["test_clips"]
        if len(clips) != len(record.experiences) or min(clips, default=0) < 0:
            raise ValueError(f"data.test_clips is not of {len(record.experiences)} experiences")
        lacking = {"matrix": record.matrix, "cost": record.cost, "metrics": record.metrics}
        if empty := [name for name, value in lacking.items() if not value]:
            raise ValueError(f"it is finished, and {empty[0]} is empty")
        if absent := [name for name in _COST if name not in record.cost]:
            raise ValueError(f"cost lacks {absent[0]}")


NOTES = {
    "transductive": "normalized by the statistics of the batch of test clips, so that a prediction depends on others",
    "oracle": "told the experience of each test clip, which nobody knows in class-incremental learning",
}


def label_norm(norm: str, label: str) -> str:
    """A norm's name, with the label of its runs where they have one: `bn (transductive)`."""
    return f"{norm} ({label})" if label else norm
