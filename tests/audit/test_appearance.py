"""Shifts between training and test: planted ones are found, chance is not."""

import numpy as np
import pytest

from clnorm.audit.appearance import examine_appearance, examine_motion, measure_shifts
from clnorm.audit.distances import scaled_distance
from clnorm.audit.measures import APPEARANCE, MOTION
from clnorm.audit.verdicts import Mark


def brighter_test(by):
    def change(clips, splits):
        clips[splits == "test"] += by
        return clips

    return change


def test_a_clean_table_is_ok(clean):
    for examine in (examine_appearance, examine_motion):
        section = examine(clean())
        assert section.verdict.mark is Mark.OK, section.verdict.text


def test_a_brightness_shift_of_the_test_clips_is_a_warning_that_names_it(clean):
    section = examine_appearance(clean(brighter_test(20)))
    assert section.verdict.mark is Mark.WARNING
    assert "farthest apart in brightness" in section.verdict.text
    assert "1 of 6 statistics differ by more than chance" in section.verdict.text


def test_the_distance_is_that_of_the_two_splits(clean):
    subject = clean(brighter_test(3))
    brightness = subject.measures.of("brightness")
    expected = scaled_distance(brightness[subject.train], brightness[subject.test])
    assert measure_shifts(subject, APPEARANCE)[0].distance == expected
    assert examine_appearance(subject).values["train_test"]["brightness"]["distance"] == expected


def test_frozen_test_clips_are_a_shift_of_motion(clean):
    def freeze(clips, splits):
        clips[splits == "test", 1:] = clips[splits == "test", :1]
        return clips

    section = examine_motion(clean(freeze))
    assert section.verdict.mark is Mark.WARNING
    assert "farthest apart in motion" in section.verdict.text


def test_a_shift_of_one_source_is_not_taken_for_one_of_the_split(clean):
    # Six test clips of a class, all of one source: as clips they are many, as sources one.
    groups = [k // 16 * 100 + (k % 16 // 2 if k % 16 < 10 else 99) for k in range(48)]
    subject = clean(brighter_test(20), groups=groups)
    (shift,) = measure_shifts(subject, [APPEARANCE[0]])
    assert shift.p > 0.001
    assert shift.distance > 0.5


def test_too_few_sources_are_said(make_subject, random_clips):
    clips = random_clips(6)
    clips[3:] += 30
    subject = make_subject(clips, [0] * 6, ["train"] * 3 + ["test"] * 3, groups=[0, 0, 0, 1, 1, 1])
    section = examine_appearance(subject)
    assert section.verdict.mark is Mark.UNKNOWN
    assert "too few sources to tell whether by chance" in section.verdict.text


def test_nine_subjects_are_too_few_for_the_level_and_that_is_said(make_subject, random_clips):
    clips = random_clips(36)
    clips[:12] += 30
    splits = ["test"] * 12 + ["train"] * 24
    subject = make_subject(clips, [0, 1, 2, 3] * 9, splits, groups=[k // 4 for k in range(36)])
    (shift,) = measure_shifts(subject, [APPEARANCE[0]])
    assert (shift.p, shift.divisions) == (1 / 84, 84)
    section = examine_appearance(subject)
    assert section.verdict.mark is Mark.UNKNOWN
    assert "they can be divided in 84 ways, so that p is at least 0.071" in section.verdict.text


def test_without_test_clips_nothing_can_be_told(clean):
    section = examine_appearance(clean(splits=["train"] * 48))
    assert section.verdict.mark is Mark.UNKNOWN
    assert "0 test clips" in section.verdict.text


def test_clips_of_one_frame_have_no_motion_to_compare(make_subject, random_clips):
    subject = make_subject(random_clips(8), [0, 1] * 4, ["train"] * 4 + ["test"] * 4)
    subject.measures.statistics[:, -1] = np.nan
    assert examine_motion(subject).verdict.mark is Mark.UNKNOWN
    assert np.isnan(measure_shifts(subject, [MOTION])[0].p)


def test_experiences_are_compared_with_all_others(clean):
    def brighten(clips, splits):
        clips[:16] += 60  # class 0, the second experience
        return clips

    section = examine_appearance(clean(brighten))
    grid = next(grid for grid in section.grids if grid.caption.startswith("Distance of each experience"))
    brightness = [row[1] for row in grid.rows]
    assert max(brightness) == brightness[1] > 3
    assert section.values["told_by_class"]["brightness"] > 0.9


def test_the_same_seed_gives_the_same_section(clean):
    assert examine_appearance(clean()) == examine_appearance(clean())


@pytest.mark.parametrize("bad", [[0], [12]])
def test_bad_clips_enter_no_comparison(clean, bad):
    whole, part = clean(), clean(bad=bad)
    for ids, without in ((whole.train, part.train), (whole.test, part.test)):
        assert set(ids) - set(without) <= set(bad)
    assert np.isfinite([shift.distance for shift in measure_shifts(part, APPEARANCE)]).all()
