"""Crop, flip and blur against slow loops, torch's sampling and scipy's filter."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from clnorm.data.augment.geometry import blur_matrix, crop_matrix, resample

SIDES = st.floats(0.1, 1.0)
PLACES = st.floats(0.0, 1.0)


@given(height=SIDES, width=SIDES, top=PLACES, left=PLACES, flip=st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_crop_is_what_torch_samples_at_the_same_places(height, width, top, left, flip):
    clip = torch.rand(1, 2, 3, 9, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    rows = crop_matrix(height * one, top * one, 9)
    columns = crop_matrix(width * one, left * one, 14, flip=torch.tensor([flip]))
    ours = resample(clip, rows=rows, columns=columns)
    # In torch's coordinates a frame runs from -1 to 1.
    turn = -1 if flip else 1
    place = [[width * turn, 0, (1 - width) * (2 * left - 1)], [0, height, (1 - height) * (2 * top - 1)]]
    grid = F.affine_grid(torch.tensor([place], dtype=torch.float64), (1, 1, 9, 14), align_corners=False)
    theirs = F.grid_sample(clip.flatten(1, 2), grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(ours.flatten(1, 2), theirs, atol=1e-9, rtol=0)


def test_a_crop_by_hand():
    # The right half of four pixels, doubled: the new centres lie at 1.75, 2.25, 2.75 and beyond the last centre, 3.
    matrix = crop_matrix(torch.tensor([0.5]), torch.tensor([1.0]), 4)
    expected = [[0, 0.25, 0.75, 0], [0, 0, 0.75, 0.25], [0, 0, 0.25, 0.75], [0, 0, 0, 1]]
    assert matrix[0].tolist() == expected
    flipped = crop_matrix(torch.tensor([0.5]), torch.tensor([1.0]), 4, flip=torch.tensor([True]))
    assert flipped[0].tolist() == expected[::-1]


@pytest.mark.parametrize("offset", [0.0, 0.3, 1.0])
def test_a_whole_axis_stays_as_it_is_and_a_flip_reverses_it_exactly(offset):
    clip = torch.rand(1, 2, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    one, place = torch.ones(1), torch.tensor([offset])
    whole, turned = crop_matrix(one, place, 7), crop_matrix(one, place, 7, flip=torch.tensor([True]))
    assert torch.equal(resample(clip, rows=whole.float(), columns=whole.float()), clip)
    assert torch.equal(resample(clip, rows=whole.float(), columns=turned.float()), clip.flip(-1))


@given(sigma=st.floats(0.01, 6.0))
@settings(max_examples=20, deadline=None)
def test_a_blur_is_a_weighted_mean_by_the_gaussian_of_the_distance(sigma):
    matrix = blur_matrix(torch.tensor([sigma], dtype=torch.float64), 8)[0]
    for i in range(8):
        weights = [math.exp(-((i - j) ** 2) / (2 * sigma**2)) for j in range(8)]
        assert matrix[i].tolist() == pytest.approx([weight / sum(weights) for weight in weights], abs=1e-12)


def test_a_blur_is_scipy_s_away_from_the_border_and_none_changes_nothing():
    line = torch.rand(60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrices = blur_matrix(torch.tensor([1.5, 0.0]), 60)
    expected = ndimage.gaussian_filter1d(line.numpy(), 1.5, truncate=8)
    inner = slice(15, 45)
    torch.testing.assert_close((matrices[0] @ line)[inner], torch.from_numpy(expected)[inner], atol=1e-7, rtol=0)
    assert torch.equal(matrices[1], torch.eye(60, dtype=torch.float64))


def test_each_clip_of_a_batch_has_matrices_of_its_own():
    clips = torch.rand(3, 2, 3, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    columns = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    out = resample(clips, rows=rows, columns=columns)
    for index in range(3):
        for frame in range(2):
            for colour in range(3):
                expected = rows[index] @ clips[index, frame, colour] @ columns[index].T
                torch.testing.assert_close(out[index, frame, colour], expected)
