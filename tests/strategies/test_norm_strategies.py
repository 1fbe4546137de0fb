"""Each norm of the catalogue with each strategy, on the tiny stream."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import clnorm
from clnorm.catalogue import NORMS
from clnorm.results.record import NOTES

# What a norm cannot do without.
NEEDS = {"bn_frozen:source=pretrained": {"model.calibrate": True}}
LABELS = {"bn_task": "oracle"}
PAIRS = [
    *product([*NORMS.names(), "bn_frozen:source=pretrained"], ["naive", "replay:per_class=2", "ewc:lam=10"]),
    *product(["ln", "bn", "gn", "cn"], ["ewc:fisher=exact", "joint"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "strategy"), PAIRS)
def test_each_norm_trains_and_is_measured_under_each_strategy(tiny, norm, strategy):
    config = tiny(norm=norm, strategy=strategy, train__epochs=1, keep_model=False, **NEEDS.get(norm, {}))
    record = clnorm.run(config)
    assert record.names["norm"] == norm
    assert record.status == "finished"
    assert record.swap["replaced"] == record.swap["found"] == 13
    assert record.label == LABELS.get(norm, "")
    matrix = np.array(record.matrix, dtype=float)
    if strategy == "joint":
        assert matrix.shape == (1, 2)
        assert np.isfinite(matrix).all()
        assert record.metrics["forgetting"] is None
    else:
        assert matrix.shape == (2, 2)
        assert np.isfinite(matrix[np.tril_indices(2)]).all()
        assert np.isnan(matrix[0, 1])
        assert record.metrics["forgetting"] == pytest.approx(matrix[0, 0] - matrix[1, 0])
    assert record.metrics["accuracy"] == pytest.approx(matrix[-1].mean())
    assert record.cost["clips_trained"] == (24 if strategy.startswith("replay") else 16)
    predictions = pd.read_parquet(Path(config.out) / record.run / "predictions.parquet")
    assert np.isfinite(predictions["confidence"]).all()
    assert predictions["confidence"].nunique() > 1, "the head has learned something from what the norm let through"


def test_the_labels_of_this_file_are_those_that_tables_know():
    assert set(LABELS.values()) <= set(NOTES)
