"""Batches: constant in size, every current clip once, memory beside it, pixels of the right clips."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clnorm.data.store.loader import read_batches
from clnorm.training.epochs import memory_share, plan_epoch

CURRENT, MEMORY = np.arange(100, 137), np.arange(10)


def plan(current=CURRENT, memory=MEMORY, batch_size=8, share=0.5, seed=0):
    return plan_epoch(current, memory, batch_size=batch_size, share=share, generator=np.random.default_rng(seed))


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


def test_order_follows_the_generator():
    assert [batch.tolist() for batch in plan(seed=1)] == [batch.tolist() for batch in plan(seed=1)]
    assert [batch.tolist() for batch in plan(seed=1)] != [batch.tolist() for batch in plan(seed=2)]


@pytest.mark.parametrize(("size", "share", "taken"), [(16, 0.5, 8), (16, 0.01, 1), (16, 0.99, 15), (2, 0.9, 1)])
def test_both_kinds_get_a_place(size, share, taken):
    assert memory_share(size, share) == taken


def test_read_batches_gives_the_pixels_of_each_batch_in_order():
    class Store:
        def gather(self, ids):
            return torch.as_tensor(ids)[:, None] * 2

    batches = [np.array([3, 1]), np.array([5]), np.array([2, 2]), np.array([9])]
    read = list(read_batches(Store(), batches))
    assert [ids.tolist() for ids, _ in read] == [batch.tolist() for batch in batches]
    assert [pixels.flatten().tolist() for _, pixels in read] == [[6, 2], [10], [4, 4], [18]]


def test_an_error_while_reading_reaches_the_reader():
    class Store:
        def gather(self, ids):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(read_batches(Store(), [np.array([1])]))


def test_draws_follow_the_clip():
    class Store:
        def gather(self, ids, *, draws):
            return torch.as_tensor(np.column_stack([ids, draws]))

    draws = np.arange(20, dtype=np.float32).reshape(10, 2) / 20
    (_, pixels), (_, others) = read_batches(Store(), [np.array([3, 1]), np.array([3])], draws=draws)
    assert pixels[:, 1:].tolist() == draws[[3, 1]].tolist()
    assert others[:, 1:].tolist() == draws[[3]].tolist()
