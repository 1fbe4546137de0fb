"""What the baselines train on."""

import numpy as np
import pytest
import torch

import clnorm
from tests.training.strategies import STILL, create


@pytest.mark.slow
def test_cumulative_training_sees_all_clips_so_far(tiny):
    record = clnorm.run(tiny(strategy="cumulative", train__epochs=1))
    assert record.cost["clips_trained"] == 8 + 16
    assert record.memory["clips"] == 16
    assert record.data["train_clips"] == [8, 8]


@pytest.mark.slow
def test_gdumb_begins_anew_and_trains_on_its_memory_alone(build_setup):
    strategy = create(build_setup(strategy="gdumb:per_class=2,passes=3", backbone=STILL, train__epochs=1))
    initial = {name: value.clone() for name, value in strategy.model.state_dict().items()}
    begun = []
    strategy.on_step = lambda: begun.append(strategy.batch.ids)
    strategy.train_experience(0)
    assert strategy.memory.tolist() == strategy.exemplars.ids.tolist()
    first = strategy.exemplars.ids
    assert len(first) == 4
    assert sorted(torch.cat(begun).tolist()) == sorted(np.tile(first, 3).tolist())
    begun.clear()
    plugin = strategy._given[0]
    strategy.train_experience(1)
    assert sorted(torch.cat(begun).tolist()) == sorted(np.tile(strategy.exemplars.ids, 3).tolist())
    assert set(first) < set(strategy.exemplars.ids)
    for name, value in plugin.initial.items():
        assert torch.equal(value, initial[name])
