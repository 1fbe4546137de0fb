"""The statistics of pixels against loops in float64 and cases worked by hand."""

import colorsys
import itertools

import numpy as np
import pytest
import torch

from clnorm.audit.measures import STATISTICS, measure_clips, measure_store, shrink

NAMES = [statistic.name for statistic in STATISTICS]


def measured(clips, decoded=None):
    clips = np.asarray(clips)
    decoded = np.full(len(clips), clips.shape[1]) if decoded is None else np.array(decoded)
    values = measure_clips(torch.from_numpy(np.asarray(clips, dtype=np.uint8)), decoded)
    return dict(zip(NAMES, values.T, strict=True))


def test_statistics_equal_loops_over_frames(random_clips):
    clip = random_clips(1, seed=3, low=0, high=256)[0]
    expected = {name: [] for name in NAMES}
    lumas = []
    for frame in clip.astype(np.float64):
        red, green, blue = frame
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        lumas.append(luma)
        laplacian = [
            luma[y - 1, x] + luma[y + 1, x] + luma[y, x - 1] + luma[y, x + 1] - 4 * luma[y, x]
            for y in range(1, luma.shape[0] - 1)
            for x in range(1, luma.shape[1] - 1)
        ]
        rg, yb = red - green, 0.5 * (red + green) - blue
        colour = np.sqrt(rg.std() ** 2 + yb.std() ** 2) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
        for name, value in {
            "brightness": luma.mean(),
            "contrast": luma.std(),
            "sharpness": np.var(laplacian),
            "colourfulness": colour,
            "red_green": rg.mean(),
            "yellow_blue": yb.mean(),
        }.items():
            expected[name].append(value)
    expected["sharpness"] = [np.log10(1 + np.mean(expected["sharpness"]))]
    expected["motion"] = [np.abs(b - a).mean() for a, b in itertools.pairwise(lumas)]
    got = measured(clip[None])
    for name in NAMES:
        assert got[name][0] == pytest.approx(np.mean(expected[name]), rel=1e-4, abs=1e-3), name


def test_grey_has_no_colour_and_pure_colours_have_their_own():
    grey, red, blue = np.full((3, 2, 3, 8, 8), 0)
    grey[:] = 90
    red[:, 0] = 200
    blue[:, 2] = 200
    got = measured([grey, red, blue])
    assert got["colourfulness"].tolist() == pytest.approx([0, 0.3 * np.hypot(200, 100), 0.3 * 200], abs=1e-3)
    assert got["red_green"].tolist() == pytest.approx([0, 200, 0])
    assert got["yellow_blue"].tolist() == pytest.approx([0, 100, -200])
    assert got["brightness"][1] == pytest.approx(200 * colorsys.rgb_to_yiq(1, 0, 0)[0], abs=0.3)


def test_a_blurred_clip_is_less_sharp(random_clips):
    sharp = random_clips(1)
    padded = np.pad(sharp.astype(float), ((0, 0), (0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    blurred = sum(padded[..., y : y + 28, x : x + 28] for y in range(3) for x in range(3)) / 9
    assert measured(blurred)["sharpness"][0] < measured(sharp)["sharpness"][0] - 0.3


def test_motion_leaves_out_the_repeats_of_a_short_clip():
    frames = np.zeros((4, 3, 8, 8), dtype=np.uint8)
    frames[1:] = 30  # one step of 30, then repeats
    assert measured(np.stack([frames, frames]), [2, 4])["motion"].tolist() == pytest.approx([30, 10], rel=1e-5)
    assert np.isnan(measured(frames[None], [1])["motion"][0])


def test_shrinking_averages_areas_and_rounds():
    clip = np.arange(16, dtype=np.uint8).reshape(1, 1, 1, 4, 4).repeat(3, axis=2)
    small = shrink(torch.from_numpy(clip), 2)[0, 0, 0]
    assert small.tolist() == [[2, 4], [10, 12]]  # of 2.5, 4.5, 10.5, 12.5: halves go to the even number


def test_bad_clips_are_measured_as_nothing_and_the_others_as_ever(make_subject, random_clips):
    clips = random_clips(5)
    whole = make_subject(clips, [0] * 5, ["train"] * 5)
    part = make_subject(clips, [0] * 5, ["train"] * 5, bad=[1, 3])
    assert np.isnan(part.measures.statistics[[1, 3]]).all()
    assert not part.measures.thumbs[[1, 3]].any()
    np.testing.assert_array_equal(part.measures.statistics[[0, 2, 4]], whole.measures.statistics[[0, 2, 4]])
    assert part.train.tolist() == [0, 2, 4]


def test_small_frames_are_kept_as_they_are(make_subject):
    clips = np.random.default_rng(0).integers(0, 256, (2, 4, 3, 12, 12)).astype(np.uint8)
    subject = make_subject(clips, [0, 0], ["train"] * 2)
    np.testing.assert_array_equal(subject.measures.thumbs, clips)


def test_progress_counts_every_clip(make_subject, random_clips):
    calls = []
    store = make_subject(random_clips(40), [0] * 40, ["train"] * 40, bad=[7]).store
    measure_store(store, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(32, 39), (39, 39)]
