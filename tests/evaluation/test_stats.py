import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from clnorm.errors import UserError
from clnorm.evaluation.stats import holm, median_interval, paired_difference, t_interval


def test_interval_by_hand():
    # s = 0.1, t(0.975, 2) = 4.302653
    interval = t_interval([0.4, 0.5, 0.6])
    assert interval.mean == pytest.approx(0.5)
    assert interval.half_width == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-6)
    assert interval.n == 3


@pytest.mark.slow
@given(st.lists(st.integers(0, 1000), min_size=2, max_size=10, unique=True), st.floats(0.5, 0.999))
def test_interval_agrees_with_scipy(values, level):
    found = t_interval(values, level=level)
    low, high = scipy.stats.t.interval(level, len(values) - 1, np.mean(values), scipy.stats.sem(values))
    assert found.mean - found.half_width == pytest.approx(low)
    assert found.mean + found.half_width == pytest.approx(high)


@pytest.mark.parametrize("values", [[0.7, 0.7, 0.7], [0.1 + 0.2, 0.3, 0.3], [0.0, 0.0]])
def test_equal_values_have_a_half_width_of_exactly_nothing(values):
    assert t_interval(values).half_width == 0.0
    assert paired_difference(dict(enumerate(values)), dict.fromkeys(range(len(values)), 0.1)).half_width == 0.0


def test_one_value_has_no_interval():
    interval = t_interval([0.4])
    assert interval.mean == 0.4
    assert math.isnan(interval.half_width)


@pytest.mark.parametrize("values", [[], [0.4, math.nan, 0.5]])
def test_nothing_or_a_gap_has_no_mean(values):
    interval = t_interval(values)
    assert math.isnan(interval.mean)
    assert math.isnan(interval.half_width)
    assert interval.n == len(values)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_refuses_a_level_that_is_no_share(level):
    with pytest.raises(UserError, match="level"):
        t_interval([1, 2], level=level)


def test_pairs_are_matched_by_seed_and_agree_with_scipy():
    a = {0: 0.5, 1: 0.7, 2: 0.65, 3: 0.4}
    b = {3: 0.3, 1: 0.55, 0: 0.45, 2: 0.6}
    found = paired_difference(a, b)
    oracle = scipy.stats.ttest_rel([a[seed] for seed in range(4)], [b[seed] for seed in range(4)])
    assert found.mean == pytest.approx(0.0875)
    assert found.p == pytest.approx(oracle.pvalue)
    assert found.mean + found.half_width == pytest.approx(oracle.confidence_interval(0.95).high)
    assert found.n == 4


def test_difference_changes_sign_with_its_sides():
    a, b = {0: 0.5, 1: 0.7}, {0: 0.4, 1: 0.3}
    assert paired_difference(a, b).mean == -paired_difference(b, a).mean
    assert paired_difference(a, b).p == paired_difference(b, a).p


def test_a_seed_without_partner_is_refused():
    with pytest.raises(UserError, match="seeds 1, 2 have no partner"):
        paired_difference({0: 0.1, 1: 0.2}, {0: 0.1, 2: 0.2})


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({0: 0.5}, {0: 0.4}),
        ({0: 0.5, 1: 0.7}, {0: 0.5, 1: 0.7}),
        ({0: 0.3, 1: 0.9}, {0: 0.2, 1: 0.8}),
        ({0: 0.5, 1: math.nan}, {0: 0.4, 1: 0.4}),
    ],
)
def test_p_is_undefined_for_one_pair_no_spread_or_a_gap(a, b):
    assert math.isnan(paired_difference(a, b).p)


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, then never falling
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])


def test_holm_counts_what_could_not_be_tested():
    np.testing.assert_allclose(holm([0.3, math.nan, 0.02]), [0.6, math.nan, 0.06])
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values):
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
            if p_values[index] * (len(p_values) - step) > level:
                break
            rejected.add(index)
        assert {index for index, value in enumerate(adjusted) if value <= level} == rejected


@pytest.mark.parametrize("p_values", [[-0.1], [0.5, 1.1]])
def test_holm_refuses_what_is_no_p_value(p_values):
    with pytest.raises(UserError, match="p-value"):
        holm(p_values)


@pytest.mark.parametrize(("n", "low", "high"), [(6, 1, 6), (9, 2, 8), (15, 4, 12), (20, 6, 15)])
def test_the_interval_of_a_median_is_between_the_order_statistics_of_the_tables(n, low, high):
    """Conover, Practical Nonparametric Statistics: the ranks of the 95 % interval of a median."""
    found = median_interval([float(value) for value in range(n, 0, -1)])
    assert (found.low, found.high, found.n) == (low, high, n)
    assert found.median == (n + 1) / 2
