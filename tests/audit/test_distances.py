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
    assert shuffle.log_divisions == pytest.approx(math.log(15))
    p = shuffle.p_value(values, draws=5000, generator=np.random.default_rng(0))
    assert p == pytest.approx(exact, abs=0.03)


def test_the_shuffle_keeps_classes_and_sources_together():
    labels = np.repeat([0, 1], 8)
    sources = np.arange(16) // 2
    is_test = np.isin(sources, [0, 4, 5])
    drawn = SourceShuffle(labels, sources, is_test)._draw(50, np.random.default_rng(0))
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
