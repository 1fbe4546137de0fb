"""TBBN: how many parts a batch is cut into, and where that is none."""

import pytest
import torch
from torch import nn

from tests.norms import oracles
from tests.norms.steps import C, Step, assert_same, build, draw, results_of, tell

CASES = [
    # tasks of the clips, experience, ratio -> r
    ([2, 2, 2, 2, 0, 1, 0, 1], 2, 1.0, 2),
    ([3, 0, 3, 3, 1, 2, 3, 0], 3, 2.0, 4),  # in any order
    ([3, 0, 3, 3, 1, 2, 3, 0], 3, 1.0, 2),  # 3 is no common divisor of 4 and 4
    ([1, 1, 1, 1, 1, 1, 0, 0, 0], 1, 3.0, 3),
    ([1, 1, 1, 1, 1, 1, 0, 0, 0], 1, 2.0, 1),  # nor is 2 of 6 and 3
    ([1, 1, 1, 1, 1, 1, 0, 0, 0], 1, 50.0, 3),
    ([4, 4, 4, 4, 0, 0], 4, 0.5, 2),
    ([4, 4, 4, 4, 4, 0], 4, 1.0, 1),
    ([4, 4, 0, 1, 2, 3, 3, 2], 4, 1.0, 2),  # more memory than current clips
]


def compare(x: torch.Tensor, step: Step, ratio: float, r: int) -> None:
    """Output, gradients and running statistics of one step, against the definition with r parts."""
    norm = build(f"tbbn:eps=1e-3,momentum=0.3,ratio={ratio}")
    oracle = oracles.TaskBalanced(norm, eps=1e-3, momentum=0.3, parts=lambda _: r)
    tell(norm, step)
    assert_same(results_of(norm, x), oracle.results(x, step, training=True))
    for ours, theirs in zip((norm.running_mean, norm.running_var), oracle.running, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("tasks", "experience", "ratio", "r"), CASES)
def test_training_equals_reshape_and_repeat(tasks, experience, ratio, r):
    for per_clip, length in ((1, 5), (2, 3), (3, 1)):
        compare(draw(per_clip * len(tasks), length, C, mean=1.0), Step(tuple(tasks), experience, 0.0), ratio, r)


@pytest.mark.parametrize(
    ("tasks", "experience"),
    [([0, 0, 0, 0], 0), ([2, 2, 2, 2], 2), ([0, 1, 0, 1], 2)],
    ids=["first experience", "no memory", "nothing but memory"],
)
def test_without_memory_or_without_current_clips_it_is_batch_norm(tasks, experience):
    norm, plain = build("tbbn:ratio=5"), nn.BatchNorm1d(C)
    plain.load_state_dict(norm.state_dict())
    tell(norm, Step(tuple(tasks), experience, 0.0))
    for step in range(2):
        x = draw(8, 5, C, seed=step, mean=50.0)
        torch.testing.assert_close(norm(x), plain(x.transpose(1, 2)).transpose(1, 2))
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(norm.get_buffer(name), buffer)


@pytest.mark.parametrize("mean", [1000.0, 1000 * draw(C, seed=4)], ids=["one mean", "a mean per channel"])
def test_precision_of_four_parts_survives_large_means(mean):
    compare(draw(16, 9, C, mean=mean), Step((3, 0, 3, 3, 1, 2, 3, 0), 3, 0.0), 2.0, 4)


def test_precision_survives_parts_that_are_far_apart():
    """Two clips in a part of their own, 1000 deviations from all others: the other part's variance stays exact."""
    x = draw(8, 9, C)
    x[[1, 3]] += 1500
    compare(x, Step((2, 2, 2, 2, 0, 1, 0, 1), 2, 0.0), 1.0, 2)
