"""The replay memory: balanced, growing with the classes, drawn from its own generator."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.strategies.replay import ClassBalancedMemory

LABELS = np.repeat(np.arange(3), [8, 2, 5])
IDS = np.arange(100, 115)


def filled(per_class=4, seed=0):
    memory = ClassBalancedMemory(per_class)
    memory.add(IDS, LABELS, generator=np.random.default_rng(seed))
    return memory


@pytest.mark.slow
@given(st.integers(1, 10), st.integers(0, 100))
def test_each_class_keeps_the_same_number_or_all_it_has(per_class, seed):
    memory = filled(per_class, seed)
    kept = np.bincount(LABELS[memory.ids - 100], minlength=3)
    assert kept.tolist() == [min(per_class, count) for count in (8, 2, 5)]
    assert len(set(memory.ids)) == len(memory.ids)


def test_it_grows_and_keeps_what_it_had():
    memory = filled()
    before = memory.ids.tolist()
    memory.add(np.array([200, 201]), np.array([7, 7]), generator=np.random.default_rng(1))
    assert memory.ids[: len(before)].tolist() == before
    assert sorted(memory.ids[len(before) :]) == [200, 201]


def test_the_choice_follows_the_generator():
    assert filled(seed=1).ids.tolist() == filled(seed=1).ids.tolist()
    assert filled(seed=1).ids.tolist() != filled(seed=2).ids.tolist()
