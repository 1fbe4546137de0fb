"""The nearest-neighbour probe against loops of integers, Wilson's interval against scipy, and the measured numbers."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from clnorm.audit.neighbours import IN_USE, LEAVE_ONE, LEAVE_SOURCE, Share, examine, judge, nearest, probe, wilson
from clnorm.audit.verdicts import Mark


@pytest.mark.slow
@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(pair):
    hits, n = pair
    expected = scipy.stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_of_nothing_is_everything():
    assert wilson(0, 0) == (0, 1)


@pytest.mark.parametrize("block", [3, 512])
def test_neighbours_equal_loops_over_integers(monkeypatch, block):
    monkeypatch.setattr("clnorm.audit.neighbours._BLOCK", block)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 2, 3, 4, 4)).astype(np.uint8)
    pixels[13] = pixels[4]
    sources = rng.integers(0, 5, 20)
    queries, bank = np.arange(8, 20), np.arange(0, 14)
    for apart in (None, sources, np.arange(20)):
        expected = []
        for q in queries:
            allowed = [b for b in bank if apart is None or apart[b] != apart[q]]
            distances = [((pixels[q].astype(int) - pixels[b].astype(int)) ** 2).sum() for b in allowed]
            expected.append(allowed[int(np.argmin(distances))])
        assert nearest(pixels, queries, bank, apart=apart).tolist() == expected


def test_a_clip_whose_source_is_all_there_is_has_no_neighbour():
    pixels = np.zeros((3, 1), dtype=np.uint8)
    assert nearest(pixels, np.arange(3), np.arange(3), apart=np.zeros(3, dtype=np.int64)).tolist() == [-1] * 3


def alike(clips, splits):
    """Clips of a source (two that follow each other) look alike."""
    clips[1::2] = clips[0::2]
    return clips


def test_clips_that_look_like_their_source_are_no_sample_of_random_ones(clean):
    subject = clean(alike)
    shares = probe(subject)
    assert (shares[LEAVE_ONE].hits, shares[LEAVE_ONE].n) == (30, 30)
    assert shares[LEAVE_SOURCE].value < 0.7
    assert shares[IN_USE].n == 18
    section = examine(subject)
    assert section.verdict.mark is Mark.WARNING
    assert "100.0 % [88.6, 100.0] (30 of 30) leave-one-out" in section.verdict.text
    assert "not i.i.d." in section.verdict.text
    assert section.values["chance"] == pytest.approx(1 / 3)


def test_clips_without_relation_are_ok(clean):
    assert examine(clean()).verdict.mark is Mark.OK


def test_a_small_gap_is_a_note():
    shares = {LEAVE_ONE: Share(850, 1000), LEAVE_SOURCE: Share(800, 1000), IN_USE: Share(770, 1000)}
    assert judge(shares, classes=10, has_sources=True).mark is Mark.NOTE
    shares[IN_USE] = Share(840, 1000)
    assert judge(shares, classes=10, has_sources=True).mark is Mark.OK


def test_no_gap_says_nothing_where_sources_are_unknown(clean):
    section = examine(clean(groups=range(48)))
    assert section.verdict.mark is Mark.UNKNOWN
    assert "the split in use may itself be a random one" in section.verdict.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"splits": ["train"] * 48}, "0 test clips"),
        ({"labels": [0] * 48, "experiences": ()}, "there are 1 classes"),
    ],
)
def test_too_little_to_probe_is_said(clean, changes, words):
    section = examine(clean(**changes))
    assert section.verdict.mark is Mark.UNKNOWN
    assert words in section.verdict.text


def test_bad_clips_are_no_neighbours(clean):
    shares = probe(clean(alike, bad=[0, 15]))
    assert (shares[LEAVE_ONE].n, shares[IN_USE].n) == (29, 17)
    assert shares[LEAVE_ONE].hits in (28, 29)  # clip 1 has lost its twin
