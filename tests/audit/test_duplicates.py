"""Near-duplicates: planted ones are found, and the descriptor ignores what it says it ignores."""

import io

import numpy as np
import pytest
from PIL import Image

from clnorm.audit.duplicates import describe_clips, examine, find_matches
from clnorm.audit.verdicts import Mark


def test_descriptors_equal_a_loop_and_have_norm_one(random_clips):
    clips = random_clips(3)
    got = describe_clips(clips).numpy()
    for clip, descriptor in zip(clips.astype(np.float64), got, strict=True):
        parts = []
        for red, green, blue in clip:  # four frames, all of them taken
            grey = 0.299 * red + 0.587 * green + 0.114 * blue
            around = [[grey[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4].mean() for x in range(28)] for y in range(28)]
            parts.append(grey - around)
        flat = np.array(parts).ravel()
        flat -= flat.mean()
        np.testing.assert_allclose(descriptor, flat / np.linalg.norm(flat), atol=1e-5)


def test_brightness_and_contrast_do_not_matter_and_flat_clips_have_no_descriptor(random_clips):
    clip = random_clips(1)[0]
    clips = np.stack([clip, clip + 20, clip // 2 + 40, np.full_like(clip, 77)])
    descriptors = describe_clips(clips)
    scores = descriptors[:3] @ descriptors[0]
    assert scores.tolist() == pytest.approx([1, 1, 1], abs=2e-3)
    assert not descriptors[3].any()


def test_matches_equal_the_whole_matrix_whatever_the_blocks(random_clips, monkeypatch):
    clips = random_clips(30)
    clips[20:25] = clips[:5]
    descriptors = describe_clips(clips)
    train, test = np.arange(0, 20), np.arange(20, 30)
    matrix = (descriptors[train] @ descriptors[test].T).numpy()
    expected = {(int(train[i]), int(test[j])) for i, j in np.argwhere(matrix >= 0.1)}
    whole = find_matches(descriptors, train, test, threshold=0.1)
    assert {(match.train, match.test) for match in whole} == expected
    assert {(k, 20 + k) for k in range(5)} <= expected
    assert [m.score for m in whole] == sorted((m.score for m in whole), reverse=True)
    monkeypatch.setattr("clnorm.audit.duplicates._BLOCK", 7)
    blocked = find_matches(descriptors, train, test, threshold=0.1)
    assert {(match.train, match.test) for match in blocked} == expected


def plant(target, noise=2.0):
    """Clip 0, brighter and with noise as of another encoding, in the place of clip `target`."""

    def change(clips, splits):
        rng = np.random.default_rng(1)
        clips[target] = np.clip(clips[0] * 0.9 + 20 + rng.normal(0, noise, clips[0].shape), 0, 255)
        return clips

    return change


def test_a_clean_table_is_ok(clean):
    section = examine(clean())
    assert section.verdict.mark is Mark.OK
    assert section.values == {"within": [], "across": [], "without_contrast": 0}


def test_a_clip_in_both_splits_is_found_named_and_shown(clean):
    section = examine(clean(plant(12)))
    assert section.verdict.mark is Mark.WARNING
    assert "class0/0.avi (training) and class0/12.avi (test)" in section.verdict.text
    (pair,) = section.pairs
    assert pair.paths == ("class0/0.avi", "class0/12.avi")
    assert pair.score > 0.95
    shown = np.asarray(Image.open(io.BytesIO(pair.images[0])))
    np.testing.assert_array_equal(shown, clean().store.gather([0])[0, 2].permute(1, 2, 0))


def test_pictures_are_sorted_by_likeness_over_both_kinds_of_pairs(clean):
    def change(clips, splits):
        rng = np.random.default_rng(0)
        for train, test, noise in ((0, 12, 12), (1, 30, 2), (2, 13, 7), (3, 31, 18)):
            clips[test] = np.clip(clips[train] + rng.normal(0, noise, clips[train].shape), 0, 255)
        return clips

    section = examine(clean(change))
    assert [pair.paths[1].partition("/")[2] for pair in section.pairs] == ["30.avi", "13.avi", "12.avi", "31.avi"]
    scores = [pair.score for pair in section.pairs]
    assert scores == sorted(scores, reverse=True)


def test_a_clip_under_two_classes_is_a_note(clean):
    section = examine(clean(plant(30)))
    assert section.verdict.mark is Mark.NOTE
    assert [row["test"] for row in section.values["across"]] == ["class1/30.avi"]


def test_a_clip_twice_in_one_split_gives_nothing_away(clean):
    assert examine(clean(plant(5))).verdict.mark is Mark.OK


def test_bad_clips_are_no_duplicates_of_each_other_and_flat_ones_are_counted(clean):
    def darken(clips, splits):
        clips[[3, 14]] = 0
        return clips

    section = examine(clean(darken, bad=[4, 15]))
    assert section.verdict.mark is Mark.NOTE
    assert "2 clips without contrast were not compared" in section.verdict.text


def test_without_test_clips_nothing_can_be_told(clean):
    section = examine(clean(splits=["train"] * 48))
    assert section.verdict.mark is Mark.UNKNOWN
    assert "0 test clips" in section.verdict.text
