"""Configurations that draw all that a run can draw, and what a continued run must share with the uninterrupted one."""

import hashlib
import json
from pathlib import Path

import pandas as pd

from clnorm.progress import Reporter

POLICIES = {
    "norm": "cn:update=balanced,recalibrate=buffer,freeze_after=2,eval=batch",
    "strategy": "replay:per_class=2",
    "protocol": "even:experiences=4",
    "train__ema": 0.5,
    "eval__batch_size": 4,
    "eval__unseen": True,
    "train__epochs": 1,
}
UNEQUAL = {
    "dataset": "synthetic:classes=4,train=6,test=2,imbalance=3",
    "norm": "cn",
    "strategy": "replay:per_class=2",
    "train__accumulate": 2,
    "train__epochs": 1,
}
EVALUATED = {
    "norm": "cn",
    "strategy": "replay:per_class=2",
    "eval__nearest": "both",
    "eval__every": 2,
    "eval__probe": True,
    "eval__cka": True,
    "eval__unseen": True,
    "data__keep": "2T",
    "save__every_epochs": 1,
}
STORE = {"data__keep": "2T", "data__jitter": True, "data__augment": "strong"}
DRAWS = {
    "oversample": {"train__imbalance": "oversample", "data__mix": "mixup"},
    "undersample": {"train__imbalance": "undersample", "data__mix": "videomix"},
    "balanced": {"train__imbalance": "balanced", "data__mix": "mixup", "data__cache": "none"},
    "sqrt": {"train__imbalance": "sqrt", "data__mix": "videomix", "train__ema": 0.5},
    "feature_smote": {"train__imbalance": "feature_smote:k=2", "data__mix": "mixup", "model__calibrate": True},
}


class Notes(Reporter):
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


def read_columns(file):
    """The columns of a table; what is undefined is None, which equals itself."""
    frame = pd.read_parquet(file)
    return frame.astype(object).where(frame.notna(), None).to_dict("list")


def results(config, record):
    """All that a run leaves, but for how long it took."""
    folder = Path(config.out) / record.run
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    log = [{key: value for key, value in line.items() if "second" not in key} for line in lines]
    cost = record.cost["clips_trained"]
    model = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    tables = {file.name: read_columns(file) for file in folder.glob("*.parquet")}
    predictions = tables.pop("predictions.parquet")
    tables.pop("clips.parquet")
    return predictions, log, model, record.matrix, record.memory, cost, tables
