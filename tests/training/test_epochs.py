"""Batches are constant in size, with every current clip once and memory beside it; and their number is known before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.training.epochs import Lengths, memory_share, plan_epoch

CURRENT, MEMORY = np.arange(100, 137), np.arange(10)


def plan(current=CURRENT, memory=MEMORY, batch_size=8, share=0.5, seed=0):
    recalled = memory_share(batch_size, share) if len(memory) else 0
    return plan_epoch(current, memory, batch_size=batch_size, recalled=recalled, generator=np.random.default_rng(seed))


@given(st.integers(1, 60), st.integers(0, 30), st.integers(2, 20), st.floats(0.01, 0.99))
def test_total_batch_is_constant_and_no_current_clip_is_lost(current, memory, batch_size, share):
    batches = plan(np.arange(100, 100 + current), np.arange(memory), batch_size=batch_size, share=share)
    taken = memory_share(batch_size, share) if memory else 0
    assert sorted(clip for batch in batches for clip in batch if clip >= 100) == list(range(100, 100 + current))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    for batch in batches:
        assert (batch < 100).sum() == taken
        assert (np.diff((batch < 100).astype(int)) >= 0).all()


def test_memory_is_used_evenly():
    recalled = [clip for batch in plan(share=0.5) for clip in batch if clip < 100]
    counts = np.bincount(recalled, minlength=len(MEMORY))
    assert counts.max() - counts.min() <= 1


@given(st.integers(1, 60), st.integers(1, 30), st.integers(2, 20), st.floats(0.01, 0.99), st.integers(0, 9))
def test_no_batch_holds_a_clip_of_the_memory_more_often_than_it_must(current, memory, batch_size, share, seed):
    batches = plan(np.arange(100, 100 + current), np.arange(memory), batch_size=batch_size, share=share, seed=seed)
    counts = np.array([np.bincount(batch[batch < 100], minlength=memory) for batch in batches])
    assert counts.max() == -(-memory_share(batch_size, share) // memory)
    assert np.ptp(counts.sum(axis=0)) <= 1


def test_clips_of_the_memory_come_in_the_order_of_shuffles_where_no_batch_would_hold_one_twice():
    generator = np.random.default_rng(3)
    generator.permutation(CURRENT)
    shuffles = np.concatenate([generator.permutation(np.arange(12)) for _ in range(4)])
    batches = plan(memory=np.arange(12), batch_size=8, seed=3)
    assert np.concatenate([batch[batch < 100] for batch in batches]).tolist() == shuffles[: 4 * len(batches)].tolist()


def test_order_follows_the_generator():
    assert [batch.tolist() for batch in plan(seed=1)] == [batch.tolist() for batch in plan(seed=1)]
    assert [batch.tolist() for batch in plan(seed=1)] != [batch.tolist() for batch in plan(seed=2)]


@pytest.mark.parametrize(("size", "share", "taken"), [(16, 0.5, 8), (16, 0.01, 1), (16, 0.99, 15), (2, 0.9, 1)])
def test_both_kinds_get_a_place(size, share, taken):
    assert memory_share(size, share) == taken


@given(st.integers(1, 60), st.integers(1, 60), st.integers(2, 20), st.floats(0.01, 0.99), st.integers(1, 4))
def test_the_lengths_are_those_of_the_batches(first, second, batch_size, share, epochs):
    lengths = Lengths((first, second), epochs=epochs, batch_size=batch_size, share=share)
    for index, memory in enumerate((MEMORY[:0], MEMORY)):
        batches = plan(np.arange(100, 100 + lengths.shown[index]), memory, batch_size=batch_size, share=share)
        assert lengths.recalled(index) == (memory_share(batch_size, share) if index else 0)
        assert lengths.steps(index) == epochs * len(batches)
        assert lengths.clips(index) == epochs * sum(map(len, batches))


def test_without_a_share_nothing_is_recalled():
    assert Lengths((8, 8), epochs=2, batch_size=4, share=0.0).recalled(1) == 0
