"""Imbalance figures by hand and by their definitions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.audit.counts import evenness, examine, gini, ratio
from clnorm.audit.verdicts import Mark

counts = st.lists(st.integers(0, 500), min_size=2, max_size=30).filter(any).map(np.array)


@pytest.mark.slow
@given(counts)
def test_gini_and_evenness_equal_their_definitions(n):
    pairs = sum(abs(a - b) for a, b in itertools.product(n.tolist(), repeat=2))
    assert gini(n) == pytest.approx(pairs / (2 * len(n) * n.sum()), abs=1e-12)
    shares = [c / n.sum() for c in n.tolist() if c]
    assert evenness(n) == pytest.approx(-sum(p * math.log(p) for p in shares) / math.log(len(n)), abs=1e-12)
    assert 0 <= gini(n) < 1
    assert -1e-12 <= evenness(n) <= 1 + 1e-12


def test_figures_by_hand():
    assert ratio(np.array([2, 6])) == 3
    assert ratio(np.array([0, 6])) == math.inf
    assert gini(np.array([5, 5, 5])) == 0
    assert gini(np.array([0, 0, 0, 8])) == 0.75
    assert evenness(np.array([4, 4])) == pytest.approx(1)
    assert evenness(np.array([0, 4])) == 0
    assert math.isnan(evenness(np.array([4])))
    assert math.isnan(gini(np.array([0, 0])))
    assert math.isnan(ratio(np.array([0, 0])))


def test_equal_classes_are_ok(clean):
    section = examine(clean())
    assert section.verdict.mark is Mark.OK
    assert "10 (class0)" in section.verdict.text
    assert section.values["classes"]["class2"] == {"train": 10, "test": 6, "unused": 0}
    grid = next(grid for grid in section.grids if grid.caption.startswith("Experiences"))
    assert [row[:4] for row in grid.rows] == [(1, 1, 10, 6), (2, 1, 10, 6), (3, 1, 10, 6)]
    assert [row[-1] for row in grid.rows] == ["class2", "class0", "class1"]


@pytest.mark.parametrize(("moved", "mark"), [(2, Mark.OK), (4, Mark.NOTE), (7, Mark.WARNING)])
def test_an_unequal_class_is_told_by_how_much(clean, moved, mark):
    splits = (["train"] * 10 + ["test"] * 6) * 3
    splits[:moved] = ["unused"] * moved  # 10 against 8, 6 and 3 clips
    section = examine(clean(splits=splits))
    assert section.verdict.mark is mark
    assert f"ratio {10 / (10 - moved):.2f}" in section.verdict.text
    assert section.values["classes"]["class0"]["unused"] == moved


def test_a_class_without_test_clips_is_named(clean):
    splits = (["train"] * 10 + ["test"] * 6) * 3
    splits[26:32] = ["train"] * 6
    section = examine(clean(splits=splits))
    assert section.verdict.mark is Mark.WARNING
    assert "1 of 3 classes have no test clip: class1" in section.verdict.text


def test_no_test_clips_and_one_class(make_subject, random_clips):
    section = examine(make_subject(random_clips(4), [0, 0, 1, 1], ["train"] * 4))
    assert section.verdict.text == "there is no test clip"
    section = examine(make_subject(random_clips(4), [0] * 4, ["train", "train", "test", "test"]))
    assert section.verdict.mark is Mark.UNKNOWN


def test_bad_clips_do_not_count(clean):
    assert examine(clean(bad=[0, 1, 2])).values["classes"]["class0"] == {"train": 7, "test": 6, "unused": 0}
