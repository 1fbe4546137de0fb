"""Each method for unequal classes with each strategy, on a tiny unequal stream."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import clnorm
from clnorm.catalogue import IMBALANCE
from clnorm.results.load import load_results
from clnorm.tables.make import make_table
from tests.training.states.kills import run_killed

pytestmark = pytest.mark.slow

UNEQUAL = {"dataset": "synthetic:classes=4,train=6,test=2,imbalance=3", "keep_model": False, "train__epochs": 1}
STRATEGIES = ["naive", "replay:per_class=2"]


def predictions(config, record):
    return pd.read_parquet(Path(config.out) / record.run / "predictions.parquet")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_method_trains_is_measured_and_differs_from_the_others(tiny, strategy):
    found = {}
    for method in IMBALANCE.names():
        config = tiny(strategy=strategy, train__imbalance=method, **UNEQUAL)
        record = clnorm.run(config)
        assert record.config["train"]["imbalance"].partition(":")[0] == method
        assert record.data["train_clips_per_class"] == [6, 2, 3, 4]
        for metric in ("accuracy", "mean_class_accuracy", "head", "mid", "tail", "old_accuracy", "new_accuracy"):
            assert 0 <= record.metrics[metric] <= 1, metric
        confidence = predictions(config, record)["confidence"]
        assert np.isfinite(confidence).all()
        found[method] = tuple(confidence)
    assert len(set(found.values())) == len(found)
    frame = load_results(config.out)
    assert set(frame["imbalance"].str.partition(":")[0]) == set(IMBALANCE.names())
    table = make_table(frame[frame["imbalance"] == "none"], metrics=["mean_class_accuracy", "tail"], format="markdown")
    assert "mean class" in table
    assert "--" not in table.splitlines()[-1]


@pytest.mark.parametrize("method", ["ldam", "feature_smote:k=2"])
@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_a_killed_run_continues_to_the_same_bits(tiny, tmp_path, monkeypatch, method, ema):
    options = {
        "strategy": "replay:per_class=2",
        "train__imbalance": method,
        "train__ema": ema,
        **UNEQUAL,
        "train__epochs": 2,
    }
    whole = tiny(out=str(tmp_path / "whole"), **options)
    expected = predictions(whole, clnorm.run(whole))
    config = tiny(**options)
    run_killed(config, monkeypatch, after=1)
    record = clnorm.run(config)
    assert predictions(config, record).equals(expected)
    lines = [json.loads(line) for line in (Path(config.out) / record.run / "log.jsonl").read_text().splitlines()]
    assert [line["experience"] for line in lines if "feature_smote" in line] == ([0, 1] if "smote" in method else [])


@pytest.mark.parametrize("strategy", ["ewc:lam=10", "joint"])
def test_the_methods_that_touch_the_head_go_with_the_other_strategies(tiny, strategy):
    for method in ("ldam", "feature_smote:k=2"):
        record = clnorm.run(tiny(strategy=strategy, train__imbalance=method, **UNEQUAL))
        assert record.status == "finished"
        assert (record.metrics["old_accuracy"] is None) == (strategy == "joint")
