"""Runs limited to the first experiences, and tested on training clips that are held out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import clnorm
from clnorm.config.identity import run_id, setting_id
from clnorm.errors import UserError
from clnorm.results.folder import RunFolder


def folder_of(config, record):
    return RunFolder(Path(config.out) / record.run)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ewc", "joint"])
def test_a_limited_run_is_the_beginning_of_the_whole_one(tiny, strategy):
    changes = {"strategy": strategy, "protocol": "even:experiences=3", "norm": "bn"}
    whole, first = clnorm.run(tiny(**changes)), clnorm.run(tiny(**changes, train__experiences=2))
    assert first.experiences == whole.experiences[:2]
    assert first.setting != whole.setting
    assert len(first.data["test_clips"]) == 2
    assert first.metrics["mean_class_accuracy"] is not None
    if strategy == "joint":
        assert len(first.matrix) == 1
        assert first.cost["clips_trained"] < whole.cost["clips_trained"]
    else:
        assert first.matrix == [row[:2] for row in whole.matrix[:2]]


@pytest.mark.slow
def test_a_run_with_validation_never_sees_a_test_clip(tiny):
    config = tiny(data__validation=0.25)
    record = clnorm.run(config)
    folder = folder_of(config, record)
    clips = pd.read_parquet(folder.path / "clips.parquet")
    tested = np.unique(pd.read_parquet(folder.path / "predictions.parquet")["clip"])
    assert set(clips.loc[tested, "split"]) == {"train"}
    held, trained = np.array(record.data["test_clips"]), np.array(record.data["train_clips"])
    assert record.data["validation"] == 0.25
    assert (held + trained).tolist() == [8, 8], "all training clips, sources whole"
    assert len(tested) == held.sum()
    assert "validation" not in clnorm.run(tiny()).data


def test_what_limits_a_run_counts_and_its_absence_does_not(tiny):
    ids = {run_id(tiny(**changes)) for changes in ({}, {"train__experiences": 1}, {"data__validation": 0.2})}
    assert len(ids) == 3
    assert len({setting_id(tiny(train__experiences=number)) for number in (0, 1, 2)}) == 3


def test_more_experiences_than_there_are_is_found_before_anything_is_made(tiny, monkeypatch):
    monkeypatch.setattr("clnorm.data.synthetic.reader.read", lambda *a, **k: pytest.fail("videos are made"))
    with pytest.raises(UserError, match="there are no 3 experiences"):
        clnorm.run(tiny(dataset="synthetic:classes=5,train=4,test=2", train__experiences=3))
