"""The points of a search: within their ranges, even, the same for the same seed, and drawn before any result."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.catalogue.option import Option
from clnorm.errors import ClnormError, UserError
from clnorm.tuning.axis import Axis, draw_points, read_axis

DRAWS = pytest.mark.slow  # with the import of Optuna
RATE = Axis(low=1e-4, high=1e-2, log=True)


@DRAWS
def test_each_key_by_itself_is_covered_evenly():
    points = draw_points({"a": RATE, "b": Axis(low=0, high=1), "c": Axis(values=("x", "y"))}, 16, seed=3)
    for key, place in (("a", lambda value: (math.log10(value) + 4) / 2), ("b", float)):
        slots = np.floor([16 * place(point[key]) for point in points])
        assert sorted(np.clip(slots, 0, 15)) == list(range(16)), (
            "a Sobol sequence has one of 16 points in each sixteenth"
        )
    assert sorted(point["c"] for point in points) == ["x"] * 8 + ["y"] * 8


@DRAWS
def test_fewer_points_are_the_first_of_more_and_the_seed_decides_them():
    axes = {"a": RATE, "b": Axis(low=1, high=9, is_whole=True)}
    assert draw_points(axes, 3, seed=0) == draw_points(axes, 8, seed=0)[:3]
    assert draw_points(axes, 3, seed=0) != draw_points(axes, 3, seed=1)
    assert all(type(point["b"]) is int for point in draw_points(axes, 8, seed=0))


@DRAWS
@pytest.mark.parametrize(("low", "high"), [(0.12341, 0.12344), (1e-300, 1e300), (0.0, 5e-324)])
def test_points_stay_in_ranges_that_rounding_would_leave(low, high):
    points = draw_points({"a": Axis(low=low, high=high, log=low > 0)}, 8, seed=0)
    assert all(low <= point["a"] <= high for point in points)


FEW = settings(max_examples=50)
NUMBERS = st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.booleans(), st.none(), st.lists(st.integers()))


@FEW
@given(st.dictionaries(st.sampled_from(["low", "high", "log", "step"]), NUMBERS) | st.lists(NUMBERS) | NUMBERS)
def test_whatever_is_given_is_a_legal_axis_or_a_mistake(given_axis):
    option = Option(1.0, low=0.0)
    try:
        axis = read_axis(given_axis, option, where="here")
    except UserError:
        return
    ends = axis.values or (axis.low, axis.high)
    assert len(ends) >= 2
    assert all(option.parse(end, where="here") == end for end in ends)
    assert read_axis(axis.to_plain(), option, where="here") == axis


@pytest.mark.parametrize(
    ("given_axis", "word"),
    [
        ({"low": 1, "high": 0.1}, "low is 1 and high 0.1; legal: low below high"),
        ({"low": 0, "high": 1, "log": True}, "low is 0, which has no logarithm"),
        ({"low": -1, "high": 1}, r"lr.low: -1 is not legal; legal: a number >= 0"),
        ({"low": 1}, "there is no 'high'"),
        ({"low": 1, "hihg": 2}, "unknown key 'hihg'; did you mean 'high'"),
        ({"low": float("nan"), "high": 1}, "nan is not legal"),
        ({"low": 1, "high": 2, "log": "yes"}, "log is 'yes'; legal: true, false"),
        ([0.1, 0.1], "a list of two different values or more"),
        (0.1, "0.1 is no range; legal: {low: NUMBER"),
    ],
)
def test_a_bad_range_is_refused(given_axis, word):
    with pytest.raises(UserError, match=word):
        read_axis(given_axis, Option(1.0, low=0.0), where="lr")


def test_words_have_no_range():
    with pytest.raises(UserError, match=r"it is no number, and has no range; legal: a list of values: a\|b"):
        read_axis({"low": 0, "high": 1}, Option("a", words=("a", "b")), where="lr")


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ClnormError, match=r"Optuna is not installed; pip install 'clnorm\[tune\]'"):
        draw_points({"a": RATE}, 2, seed=0)
