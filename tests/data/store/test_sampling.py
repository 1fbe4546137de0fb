"""Which kept frames a batch of clips shows: the middle ones as one clip at a time, or one drawn from each segment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.data.store.decode import sample_indices
from clnorm.data.store.sampling import jittered_frames, keep_limit, middle_frames

KEPT = st.lists(st.integers(1, 2000), min_size=1, max_size=8)


@given(KEPT, st.integers(1, 64))
def test_middle_frames_are_those_of_each_clip_alone(kept, frames):
    found = middle_frames(np.array(kept), frames=frames)
    assert found.tolist() == [sample_indices(count, frames=frames) for count in kept]


@given(KEPT, st.integers(1, 64), st.integers(0, 2**32))
def test_each_frame_drawn_lies_in_its_segment(kept, frames, seed):
    draws = np.random.default_rng(seed).random((len(kept), frames), dtype=np.float32)
    for count, row in zip(kept, jittered_frames(np.array(kept), draws).tolist(), strict=True):
        if count < frames:
            assert row == sample_indices(count, frames=frames)
        else:
            assert all(i * count // frames <= frame < (i + 1) * count // frames for i, frame in enumerate(row))


@pytest.mark.parametrize(
    ("kept", "draw", "expected"),
    [(8, 0.0, [0, 2, 4, 6]), (8, 0.49, [0, 2, 4, 6]), (8, 0.5, [1, 3, 5, 7]), (10, 0.7, [1, 4, 6, 9])],
)
def test_draws_worked_by_hand(kept, draw, expected):
    """Of 10 frames the segments are 0-1, 2-4, 5-6 and 7-9."""
    draws = np.full((1, 4), draw, dtype=np.float32)
    assert jittered_frames(np.array([kept]), draws).tolist() == [expected]


def test_the_greatest_draw_stays_in_its_segment():
    largest = np.full((1, 3), np.nextafter(np.float32(1), np.float32(0)))
    for kept in range(3, 5000):
        assert jittered_frames(np.array([kept]), largest)[0, -1] == kept - 1


def test_all_frames_of_a_segment_are_drawn_alike():
    draws = np.random.default_rng(0).random((30_000, 2), dtype=np.float32)
    drawn = jittered_frames(np.full(30_000, 6), draws)
    counts = np.bincount(drawn.ravel(), minlength=6)
    assert counts.min() > 9_500
    assert counts.max() < 10_500


def test_limits():
    assert [keep_limit(keep, frames=8) for keep in ("T", "2T", "all")] == [8, 16, None]
