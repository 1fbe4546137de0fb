"""Crop, flip and blur against slow loops and scipy's filter."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from clnorm.data.augment.geometry import blur_clips, crop_and_flip, flip_clips

SIDES = st.floats(0.1, 1.0)
PLACES = st.floats(0.0, 1.0)


def sample(line, share, place, size):
    """One axis by hand: where each new pixel lies, and the mean of the two old ones beside it by distance."""
    start = (1 - share) * place * size
    out = []
    for i in range(size):
        centre = min(max(start + share * (i + 0.5) - 0.5, 0), size - 1)
        before = min(int(centre), size - 2)
        weight = centre - before
        out.append((1 - weight) * line[before] + weight * line[before + 1])
    return torch.stack(out)


@given(height=SIDES, width=SIDES, top=PLACES, left=PLACES, flip=st.booleans())
@settings(max_examples=30)
def test_a_crop_is_the_weighted_mean_of_the_pixels_about_each_place(height, width, top, left, flip):
    clip = torch.rand(2, 3, 5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = {"height": height, "width": width, "top": top, "left": left}
    out = crop_and_flip(
        clip[None],
        **{name: torch.tensor([value], dtype=torch.float64) for name, value in drawn.items()},
        flip=torch.tensor([flip]),
    )[0]
    rows = sample(clip.movedim(2, 0), height, top, 5).movedim(0, 2)
    expected = sample(rows.movedim(3, 0), width, left, 8).movedim(0, 3)
    torch.testing.assert_close(out, expected.flip(-1) if flip else expected, atol=1e-5, rtol=0)


def test_a_crop_by_hand():
    # The right half of four columns, doubled: the new centres lie at 1.75, 2.25, 2.75 and beyond the last centre, 3.
    clip = torch.tensor([0.0, 0.0, 1.0, 3.0]).expand(1, 1, 3, 4, 4)
    one, half = torch.ones(1), torch.tensor([0.5])
    for flip, expected in ((False, [0.75, 1.5, 2.5, 3.0]), (True, [3.0, 2.5, 1.5, 0.75])):
        out = crop_and_flip(clip, height=one, width=half, top=one, left=one, flip=torch.tensor([flip]))
        torch.testing.assert_close(out, torch.tensor(expected).expand_as(out))


def test_flips_are_exact_and_of_the_clips_named():
    clips = torch.rand(3, 2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    out = flip_clips(clips, flip=torch.tensor([True, False, True]))
    assert torch.equal(out[[0, 2]][..., list(range(6, -1, -1))], clips[[0, 2]])
    assert torch.equal(out[1], clips[1])


@given(sigma=st.floats(0.01, 6.0), row=st.integers(0, 4), column=st.integers(0, 7))
@settings(max_examples=20)
def test_a_blur_is_a_mean_weighted_by_the_gaussian_of_the_distance(sigma, row, column):
    frame = torch.rand(5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    out = blur_clips(frame.expand(1, 2, 3, 5, 8).contiguous(), sigma=torch.tensor([sigma], dtype=torch.float64))
    total = weights = 0.0
    for i in range(5):
        for j in range(8):
            weight = math.exp(-((i - row) ** 2 + (j - column) ** 2) / (2 * sigma**2))
            total, weights = total + weight * frame[i, j].item(), weights + weight
    assert out[0, :, :, row, column].flatten().tolist() == pytest.approx([total / weights] * 6, abs=1e-9)


def test_a_blur_is_scipy_s_away_from_the_border_and_each_clip_has_its_own():
    clips = torch.rand(3, 2, 3, 40, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigmas = (1.5, 0.0, 2.5)
    out = blur_clips(clips, sigma=torch.tensor(sigmas))
    for clip, blurred, sigma in zip(clips, out, sigmas, strict=True):
        expected = ndimage.gaussian_filter(clip.numpy(), (0, 0, sigma, sigma), truncate=7) if sigma else clip.numpy()
        inner = (..., slice(18, -18), slice(18, -18))
        torch.testing.assert_close(blurred[inner], torch.from_numpy(expected)[inner], atol=1e-7, rtol=0)
    assert torch.equal(out[1], clips[1])
