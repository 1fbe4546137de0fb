"""The head fitted on balanced features: what it is fitted on, what it changes, and what it leaves."""

import importlib.util

import numpy as np
import pytest
import torch

from clnorm.errors import UserError
from clnorm.strategies.baselines import naive
from clnorm.strategies.replay import replay

pytest.importorskip("imblearn")

UNEQUAL = {
    "dataset": "synthetic:classes=4,train=6,test=2,imbalance=3",
    "train__imbalance": "feature_smote:k=2",
    "train__epochs": 1,
}


@pytest.fixture
def balanced_on(monkeypatch):
    """What was given to SMOTE, and what came back, at each call."""
    from clnorm.training.imbalance import smote

    calls, balance = [], smote.balance_points

    def recorded(points, labels, groups, **options):
        made = balance(points, labels, groups, **options)
        calls.append((points, labels, groups, made))
        return made

    monkeypatch.setattr(smote, "balance_points", recorded)
    return calls


@pytest.mark.slow
def test_it_is_fitted_on_the_clips_at_hand_each_once_and_never_on_test_clips(build_setup, balanced_on):
    strategy = replay(build_setup(**UNEQUAL), per_class=2, share=0.5)
    stream = strategy.setup.stream
    for index in range(2):
        strategy.train_experience(index)
        points, labels, groups, made = balanced_on[-1]
        at_hand = np.union1d(stream.experiences[index].train_ids, strategy.memory)
        assert not set(at_hand) & set(stream.test_ids)
        assert labels.tolist() == stream.targets[at_hand].tolist()
        assert groups.tolist() == stream.groups[at_hand].tolist()
        with torch.no_grad():
            pixels = strategy.setup.store.gather(at_hand)
            features = strategy.model.eval().forward_features(pixels.float() * (2 / 255) - 1)
        np.testing.assert_allclose(points, features.numpy(), atol=1e-5)
        assert len(set(np.bincount(made.labels)[np.unique(labels)])) == 1
    assert set(labels) == {0, 1, 2, 3}


@pytest.mark.slow
def test_training_is_plain_and_only_the_head_differs(build_setup):
    weights = []
    for method in ("none", "feature_smote:k=2"):
        strategy = naive(build_setup(**{**UNEQUAL, "train__imbalance": method}))
        for index in range(2):  # the second one starts from the head as trained
            strategy.train_experience(index)
        weights.append(strategy.model.state_dict())
    plain, fitted = weights
    assert [name for name in plain if not torch.equal(plain[name], fitted[name])] == ["head.weight", "head.bias"]


def test_without_memory_the_rows_of_earlier_experiences_stay(build_setup, monkeypatch):
    strategy = naive(build_setup(**UNEQUAL))
    strategy.train_experience(0)
    after_training = []
    follow = strategy.balancing.after_experience

    def recorded(*args):
        after_training.append(strategy.model.head.weight.detach().clone())
        follow(*args)

    monkeypatch.setattr(strategy.balancing, "after_experience", recorded)
    strategy.train_experience(1)
    moved = (after_training[0] != strategy.model.head.weight).any(dim=1)
    assert moved.tolist() == [False, False, True, True]


def test_with_an_average_only_the_average_is_fitted(build_setup):
    states = []
    for method in ("none", "feature_smote:k=2"):
        strategy = naive(build_setup(**{**UNEQUAL, "train__imbalance": method}, train__ema=0.5))
        strategy.train_experience(0)
        states.append((strategy.model.head.weight, strategy.evaluated_model.head.weight))
    assert torch.equal(states[0][0], states[1][0])
    assert not torch.equal(states[0][1], states[1][1])


def test_what_was_made_is_logged_by_class_id(build_setup, balanced_on):
    import dataclasses

    lines = []
    setup = dataclasses.replace(build_setup(**UNEQUAL), log=lines.append)
    naive(setup).train_experience(0)
    report = lines[-1]["feature_smote"]
    counts = setup.stream.train_clips_per_class
    classes = setup.stream.experiences[0].classes
    small = min(classes, key=lambda label: counts[label])
    made = counts[list(classes)].max() - counts[small]
    assert lines[-1]["experience"] == 0
    assert {**report["synthetic"], **report["repeated"]} == {str(small): made}
    assert report["converged"]
    assert report["clips"] == counts[list(classes)].sum()


def test_it_says_what_it_cannot_do_without(build_setup, monkeypatch):
    with pytest.raises(UserError, match=r"train\.imbalance: .*a norm with eval=batch"):
        naive(build_setup(norm="bn:eval=batch", **UNEQUAL))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "imblearn" else find(name))
    with pytest.raises(UserError, match=r"needs imbalanced-learn; pip install 'clnorm\[imbalance\]'"):
        naive(build_setup(**UNEQUAL))
