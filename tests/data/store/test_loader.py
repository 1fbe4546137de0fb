"""Batches of ids become the pixels of these clips, in order."""

import numpy as np
import pytest
import torch

from clnorm.data.store.loader import read_batches


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
