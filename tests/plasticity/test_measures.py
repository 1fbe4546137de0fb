"""The measures against cases worked by hand and independent formulas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clnorm.plasticity.measures import (
    dormant_share,
    drift,
    duplicate_share,
    effective_rank,
    effective_rate,
    gram,
    joint_norm,
    singular_values,
    stable_rank,
)

NAN = float("nan")


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def of(rows):
    return torch.tensor(rows, dtype=torch.float32)


@pytest.mark.parametrize(
    ("rows", "tau", "share"),
    [
        # Mean absolute activities 1, 2, 0 of mean 1: scores 1, 2, 0.
        ([[1, -2, 0], [-1, 2, 0]], 0.0, 1 / 3),
        ([[1, -2, 0], [-1, 2, 0]], 1.0, 2 / 3),
        ([[1, -2, 0], [-1, 2, 0]], 0.99, 1 / 3),
        ([[0, 0]], 0.0, 1.0),
        ([[5, 5]], 0.5, 0.0),
    ],
)
def test_dormant_units_are_those_of_a_small_score(rows, tau, share):
    assert dormant_share(of(rows), tau=tau) == pytest.approx(share)


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        ([[1, 2, 0], [0, 0, 1]], 1 / 3),  # of two that are alike, one counts
        ([[1, 2, 3], [1, 2, 3]], 2 / 3),  # of three, two
        ([[1, -1], [1, -1]], 0.0),  # opposite directions are not the same
        ([[1, 1], [0, 0.2]], 1 / 2),  # cos = 1 / sqrt(1.04) = 0.98
        ([[1, 1], [0, 0.4]], 0.0),  # 0.93
        ([[0, 0], [0, 0]], 0.0),  # no direction at all
        ([[0, 1], [0, 2]], 0.0),
    ],
)
def test_duplicates_are_counted_without_the_last_of_each_kind(rows, share):
    assert duplicate_share(gram(of(rows))) == pytest.approx(share)


def test_singular_values_are_those_of_the_features():
    features = draw(40, 7)
    expected = torch.linalg.svdvals(features.double()).flip(0)
    torch.testing.assert_close(singular_values(gram(features)), expected, rtol=1e-7, atol=1e-7)
    low = draw(40, 2) @ draw(2, 7, seed=1)
    assert (singular_values(gram(low))[:5] < 1e-6).all()


def test_ranks_by_hand():
    # sigma = 3, 1: p = 3/4, 1/4.
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    singular = torch.tensor([1.0, 3.0], dtype=torch.float64)
    assert effective_rank(singular) == pytest.approx(math.exp(entropy))
    assert stable_rank(singular) == pytest.approx(10 / 9)
    equal, one, none = torch.ones(5), torch.tensor([0.0, 0.0, 2.0]), torch.zeros(3)
    assert (effective_rank(equal), stable_rank(equal)) == pytest.approx((5, 5))
    assert (effective_rank(one), stable_rank(one)) == pytest.approx((1, 1))
    assert (effective_rank(none), stable_rank(none)) == (0, 0)


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 1000))
def test_ranks_lie_between_one_and_the_rank_and_do_not_see_the_scale(rows, units, seed):
    features = draw(rows, units, seed=seed)
    singular = singular_values(gram(features))
    most = min(rows, units) + 1e-3
    for rank in (effective_rank, stable_rank):
        assert 1 - 1e-9 <= rank(singular) <= most
        assert rank(singular * 100) == pytest.approx(rank(singular))
    assert stable_rank(singular) <= effective_rank(singular) ** 2 + 1e-6


def test_the_norm_of_several_tensors_is_that_of_one_vector():
    assert joint_norm([torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])]) == 5
    assert math.isnan(joint_norm([]))


def test_a_rate_is_taken_over_the_norm():
    assert effective_rate(0.002, 4.0) == 0.0005
    assert math.isnan(effective_rate(0.002, 0.0))
    assert math.isnan(effective_rate(0.002, NAN))


def moments(mean, var):
    return torch.tensor(mean, dtype=torch.float64), torch.tensor(var, dtype=torch.float64)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (([0, 0], [1, 1]), ([0, 0], [1, 1]), 0),
        (([0], [1]), ([2], [1]), 2),  # by two spreads
        (([0], [1]), ([0], [9]), math.sqrt(4 / 5)),  # s from 1 to 3; mean variance 5
        (([0, 0], [1, 0]), ([1, 0], [1, 0]), 1),  # a unit that does nothing counts for nothing
        (([0], [0]), ([1], [0]), math.inf),
        (([0], [0]), ([0], [0]), 0),
    ],
)
def test_drift_by_hand(before, after, expected):
    before, after = moments(*before), moments(*after)
    assert drift(before, after) == pytest.approx(expected)
    assert drift(after, before) == pytest.approx(expected)


def test_drift_is_the_wasserstein_distance_of_gaussians():
    """By quadrature of the quantile functions, which is that distance in one dimension."""
    from scipy.stats import norm

    level = (np.arange(200_000) + 0.5) / 200_000
    (mean, var), (mean2, var2) = (0.3, 2.0), (-1.0, 0.7)
    first = norm.ppf(level, mean, math.sqrt(var))
    second = norm.ppf(level, mean2, math.sqrt(var2))
    expected = math.sqrt(((first - second) ** 2).mean() / ((var + var2) / 2))
    assert drift(moments([mean], [var]), moments([mean2], [var2])) == pytest.approx(expected, rel=1e-4)


@given(st.floats(0.01, 100), st.integers(0, 100))
def test_drift_does_not_see_the_scale(scale, seed):
    values = draw(4, 6, seed=seed).double()
    before, after = (values[0], values[1].exp()), (values[2], values[3].exp())
    scaled = [(mean * scale, var * scale**2) for mean, var in (before, after)]
    assert drift(*scaled) == pytest.approx(drift(before, after))
