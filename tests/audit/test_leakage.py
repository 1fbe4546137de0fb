"""Leaks of sources: by hand, against loops, and on the official splits of HMDB51."""

import re
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.audit.leakage import Leak, examine, leaks_across, leaks_within
from clnorm.audit.verdicts import Mark

clips = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(["train", "test", "unused"])),
    min_size=1,
    max_size=40,
)


@pytest.mark.slow
@given(clips)
def test_leaks_equal_loops_over_pairs_of_clips(rows):
    labels, sources = (np.array([row[i] for row in rows]) for i in (0, 1))
    splits = np.array([row[2] for row in rows])
    within, across = defaultdict(set), defaultdict(set)
    for a in range(len(rows)):
        for b in range(len(rows)):
            if splits[a] == "train" and splits[b] == "test" and sources[a] == sources[b]:
                if labels[a] == labels[b]:
                    within[int(labels[a]), int(sources[a])].add(b)
                else:
                    across[int(sources[a])].add(b)
    got = leaks_within(labels, sources, splits)
    assert {(label, leak.source): leak.test for label, leak in got} == {k: len(v) for k, v in within.items()}
    got = leaks_across(labels, sources, splits)
    assert {leak.source: leak.test for leak in got} == {k: len(v) for k, v in across.items()}
    assert [leak.test for leak in got] == sorted((leak.test for leak in got), reverse=True)


def test_leaks_by_hand():
    labels = np.array([0, 0, 0, 1, 1])
    sources = np.array([7, 7, 8, 7, 8])
    splits = np.array(["train", "test", "train", "train", "test"])
    assert leaks_within(labels, sources, splits) == [(0, Leak(7, 1, 1))]
    assert leaks_across(labels, sources, splits) == [Leak(7, 2, 1), Leak(8, 1, 1)]


def test_a_planted_leak_is_a_warning_that_names_it(clean):
    groups = [f"film{k // 2}" for k in range(48)]
    assert examine(clean(groups=groups)).verdict.mark is Mark.OK
    groups[12] = groups[3]  # a test clip of class 0 and a training clip of it
    section = examine(clean(groups=groups))
    assert section.verdict.mark is Mark.WARNING
    assert "worst: film1 in class0, 2 training and 1 test clips" in section.verdict.text
    assert section.values["within"] == 1


def test_a_source_that_spans_classes_counts_once(clean):
    groups = [f"film{k // 2}" for k in range(48)]
    for clip in (0, 12, 16, 28, 44):  # a subject in training and test of two classes, and in the test clips of a third
        groups[clip] = "subject"
    section = examine(clean(groups=groups))
    assert (section.values["within"], section.values["across"]) == (1, 1)
    assert "within a class: 1 source in both training and test (2 counted class by class), 2 of 18 test clips" in (
        section.verdict.text
    )
    within, across = section.grids
    assert within.caption == "Sources in training and test within a class, class by class (all 2)"
    assert [row[:2] for row in within.rows] == [("subject", "class0"), ("subject", "class1")]
    assert across.rows == (("subject", 2, 3),)


def test_a_leak_across_classes_is_a_note(clean):
    groups = [f"film{k // 2}" for k in range(48)]
    groups[30] = groups[0]  # a test clip of class 1, training clips of class 0
    section = examine(clean(groups=groups))
    assert section.verdict.mark is Mark.NOTE
    assert (section.values["within"], section.values["across"]) == (0, 1)
    assert "worst: film0, 2 training and 1 test clips" in section.verdict.text


def test_without_sources_or_test_clips_nothing_can_be_told(clean):
    section = examine(clean(groups=range(48)))
    assert section.verdict.mark is Mark.UNKNOWN
    assert "every clip is a source of its own" in section.verdict.text
    section = examine(clean(splits=["train"] * 48))
    assert "48 training and 0 test clips" in section.verdict.text


@pytest.mark.parametrize(("split", "across"), [(1, 133), (2, 149), (3, 144)])
def test_the_official_splits_keep_sources_apart_within_classes_only(shared_data, split, across):
    flags = {"0": "unused", "1": "train", "2": "test"}
    labels, sources, splits = [], [], []
    paths = sorted((shared_data / "data" / "hmdb51_splits").glob(f"*_test_split{split}.txt"))
    for label, path in enumerate(paths):
        name = path.name.removesuffix(f"_test_split{split}.txt")
        for line in filter(str.strip, path.read_text().split("\n")):
            clip, flag = line.split()
            labels.append(label)
            sources.append(re.sub(rf"_{name}_[fuhl]_.*$", "", clip))
            splits.append(flags[flag])
    numbers = np.unique(sources, return_inverse=True)[1]
    labels, splits = np.array(labels), np.array(splits)
    assert len(paths) == 51
    assert leaks_within(labels, numbers, splits) == []
    assert len(leaks_across(labels, numbers, splits)) == across
