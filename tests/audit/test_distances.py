"""Distances between splits, what the class tells, and the shuffle of whole sources, against scipy and enumeration."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from clnorm.audit.distances import SourceShuffle, class_share, scaled_distance

samples = st.lists(st.floats(-100, 100, allow_subnormal=False), min_size=2, max_size=20).map(np.array)


@pytest.mark.slow
@given(samples, samples)
def test_the_distance_is_scipys_over_the_pooled_standard_deviation(a, b):
    pooled = np.sqrt((a.var(ddof=1) * (len(a) - 1) + b.var(ddof=1) * (len(b) - 1)) / (len(a) + len(b) - 2))
    got = scaled_distance(a, b)
    if pooled > 1e-6:
        assert got == pytest.approx(scipy.stats.wasserstein_distance(a, b) / pooled, rel=1e-6)
        assert got == pytest.approx(scaled_distance(b, a))


def test_distances_by_hand():
    a = np.array([0.0, 2.0])
    assert scaled_distance(a, a + 3) == pytest.approx(3 / math.sqrt(2))
    assert scaled_distance(a, a) == 0
    assert math.isnan(scaled_distance(a, np.array([])))
    assert math.isnan(scaled_distance(np.array([1.0]), np.array([2.0])))
    assert scaled_distance(np.ones(2), np.ones(3)) == 0
    assert scaled_distance(np.ones(2), np.zeros(3)) == math.inf
    assert scaled_distance(np.array([0.0, 2.0, np.nan]), a) == 0


def test_class_share_is_that_of_an_analysis_of_variance():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 60)
    values = rng.normal(size=60) + labels
    f = scipy.stats.f_oneway(*(values[labels == label] for label in range(4))).statistic
    assert class_share(values, labels) == pytest.approx(3 * f / (3 * f + 56))
    assert class_share(np.array([1.0, 1.0, 5.0, 5.0]), np.array([0, 0, 2, 2])) == 1
    assert math.isnan(class_share(np.ones(4), np.arange(4)))


def test_the_p_value_is_the_share_of_all_divisions_that_are_as_far_apart():
    # One class; sources of 2, 1, 2, 1, 1, 2 clips, two of the six in the test set: 15 divisions.
    sources = np.repeat(np.arange(6), [2, 1, 2, 1, 1, 2])
    values = np.array([0.1, 0.2, 1.5, 2.0, 0.5, 2.4, 0.3, 2.2, 2.6])
    is_test = np.isin(sources, [2, 5])
    distances = {
        chosen: scipy.stats.wasserstein_distance(values[np.isin(sources, chosen)], values[~np.isin(sources, chosen)])
        for chosen in itertools.combinations(range(6), 2)
    }
    exact = np.mean([distance >= distances[2, 5] - 1e-12 for distance in distances.values()])
    shuffle = SourceShuffle(np.zeros(9, dtype=np.int64), sources, is_test)
    assert shuffle.divisions == 15
    assert shuffle.p_value(values, draws=14, generator=np.random.default_rng(0)) == exact
    p = shuffle.p_value(values, draws=13, generator=np.random.default_rng(0))  # too few to list them all
    assert p != exact
    assert p == pytest.approx(exact, abs=0.3)


def of_subjects(count, classes, *, test, seed=0):
    """Subjects with a clip of each class, as in Weizmann, KTH and NTU: labels, sources, is_test and random values."""
    labels, sources = np.tile(np.arange(classes), count), np.repeat(np.arange(count), classes)
    values = np.random.default_rng(seed).normal(size=count * classes) + labels
    return labels, sources, np.isin(sources, test), values


def test_subjects_with_clips_of_all_classes_change_sides_with_all_of_them():
    # Three of nine subjects are brightest in each of ten classes, and they are the test set: one of 84 divisions.
    labels, sources, is_test, values = of_subjects(9, 10, test=(0, 1, 2))
    values[is_test] += 100
    shuffle = SourceShuffle(labels, sources, is_test)
    assert shuffle.divisions == 84
    assert shuffle.p_value(values, draws=999, generator=np.random.default_rng(0)) == 1 / 84


@pytest.mark.parametrize("seed", range(5))
def test_the_p_value_of_subjects_is_scipys_exact_one(seed):
    labels, sources, is_test, values = of_subjects(9, 4, test=(1, 4, 8), seed=seed)

    def distance(first, second):
        sides = [values[np.isin(sources, side.astype(int))] for side in (first, second)]
        return scipy.stats.wasserstein_distance(*sides)

    found = scipy.stats.permutation_test(
        (np.array([1, 4, 8]), np.array([0, 2, 3, 5, 6, 7])), distance, n_resamples=np.inf, alternative="greater"
    )
    p = SourceShuffle(labels, sources, is_test).p_value(values, draws=999, generator=np.random.default_rng(0))
    assert p == pytest.approx(found.pvalue)


def test_only_sources_of_the_same_classes_are_exchanged():
    # Sources 0 to 3 of classes 0 and 1, of which 3 is for testing; 4 to 6 of class 1 alone, of which 6 is; 7 of both,
    # in both splits, and so a unit in either. By hand: 5 over 2 (3 and 7's test half) ways, times 3 over 1.
    rows = [(0, s, s == 3) for s in range(4)] + [(1, s, s == 3) for s in range(4)]
    rows += [(1, s, s == 6) for s in (4, 5, 6)]
    rows += [(label, 7, side) for label in (0, 1) for side in (False, True)]
    labels, sources, is_test = (np.array(column) for column in zip(*rows, strict=True))
    shuffle = SourceShuffle(labels, sources, is_test.astype(bool))
    assert shuffle.divisions == math.comb(6, 2) * 3
    listed = np.concatenate(list(shuffle._list()))
    assert len(np.unique(listed, axis=0)) == len(listed) == shuffle.divisions
    for drawn in (listed, *shuffle._draw(50, np.random.default_rng(0))):
        clips = drawn[:, shuffle._unit_of]
        for label in (0, 1):  # each class keeps its number of sources for testing
            firsts = np.unique(np.stack([shuffle._unit_of, labels], axis=1), axis=0, return_index=True)[1]
            own = firsts[labels[firsts] == label]
            assert (clips[:, own].sum(1) == is_test[own].sum()).all()


def test_sources_of_one_class_each_are_drawn_as_ever():
    """The p-values of three seeds as they were when sources were permuted class by class."""
    rng = np.random.default_rng(7)
    labels, sources = np.repeat([0, 1, 2], 40), np.arange(120) // 4
    is_test = np.isin(sources, [0, 3, 7, 11, 12, 20, 28, 29])
    values = rng.normal(size=120) + 0.3 * is_test
    shuffle = SourceShuffle(labels, sources, is_test)
    got = [shuffle.p_value(values, draws=999, generator=np.random.default_rng(seed)) for seed in range(3)]
    assert got == [0.088, 0.078, 0.115]


def test_the_shuffle_keeps_classes_and_sources_together():
    labels = np.repeat([0, 1], 8)
    sources = np.arange(16) // 2
    is_test = np.isin(sources, [0, 4, 5])
    (drawn,) = SourceShuffle(labels, sources, is_test)._draw(50, np.random.default_rng(0))
    assert drawn.shape == (50, 8)
    assert (drawn[:, :4].sum(1) == 1).all()
    assert (drawn[:, 4:].sum(1) == 2).all()
    assert len(np.unique(drawn, axis=0)) > 10


def test_p_values_under_the_null_are_even_where_clips_of_a_source_are_alike():
    # A test on clips would call half of these splits different; one on sources must not.
    hits = []
    for trial in range(100):
        rng = np.random.default_rng(trial)
        sources = np.repeat(np.arange(20), 10)
        values = rng.normal(size=20)[sources] + 0.01 * rng.normal(size=200)
        shuffle = SourceShuffle(np.zeros(200, dtype=np.int64), sources, np.isin(sources, np.arange(6)))
        hits.append(shuffle.p_value(values, draws=99, generator=rng) <= 0.05)
    assert np.mean(hits) < 0.12
