"""Run folders: what a run leaves behind, never half-written, and all of them read back as one table."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.errors import ClnormError

if TYPE_CHECKING:
    pass

SCHEMA = 1

LABELS = {"running": "", "batch": "transductive", "task": "oracle"}
"""What results are labelled by each `eval` of norms: empty where a prediction depends on its own clip alone."""


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
        label: `transductive` where test clips were normalized by those evaluated with them, `oracle` where norms were
            told each test clip's experience, else empty.
        config: the configuration in full.
        classes: names of the classes, by class id.
        experiences: the class ids of each experience.
        matrix: accuracy on experience j (columns) after training step t (rows); None where not evaluated.
        untrained: the accuracies before any training, where they were asked for.
        metrics: by name, None where undefined.
        data: the number of sources of all clips, or `unknown` where nothing tells them; clips trained and tested on,
            and of each class in training (by class id), bad clips by path with the reason, and the store's sampling.
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


NOTES = {
    "transductive": "normalized by the statistics of the batch of test clips, so that a prediction depends on others",
    "oracle": "told the experience of each test clip, which nobody knows in class-incremental learning",
}


def label_norm(norm: str, label: str) -> str:
    """A norm's name, with the label of its runs where they have one: `bn (transductive)`."""
    return f"{norm} ({label})" if label else norm
