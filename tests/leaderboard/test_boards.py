"""Boards from entries made by hand: who is compared with whom, over which seeds, and who can be told from whom."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.evaluation.stats import t_interval
from clnorm.leaderboard.boards import make_boards
from clnorm.leaderboard.entries import SHOWN, Entry
from clnorm.leaderboard.scale import make_scale
from tests.results.records import FINISHED


def entry(norm, seed, value, *, strategy="naive", setting="s", label="", dataset="synthetic"):
    names = {"dataset": dataset, "protocol": "even", "backbone": "lsvit_nano", "norm": norm, "strategy": strategy}
    record = replace(FINISHED, names=names, seed=seed, setting=setting, label=label)
    return Entry(f"{norm}-{strategy}-{seed}-{setting}", record, dict.fromkeys(SHOWN, value))


def entries(values, **more):
    """`values`: of each norm its values by seed, a list from 0 or a mapping."""
    return [
        entry(norm, seed, value, **more)
        for norm, own in values.items()
        for seed, value in (own.items() if isinstance(own, dict) else enumerate(own))
    ]


def ranks(board):
    return {row.norm: (row.rank.best, row.rank.worst) for row in board.rows}


CLEAR = {"ln": [0.50, 0.51, 0.52], "bn": [0.70, 0.711, 0.72], "gn": [0.30, 0.31, 0.322]}


def test_norms_that_are_surely_apart():
    (board,) = make_boards(entries(CLEAR))
    assert ranks(board) == {"bn": (1, 1), "ln": (2, 2), "gn": (3, 3)}
    assert [row.norm for row in board.rows] == ["bn", "ln", "gn"]
    assert [row.groups for row in board.rows] == ["a", "b", "c"]
    assert board.leaders == ("bn",)
    assert board.rows[0].intervals["accuracy"] == t_interval([0.70, 0.711, 0.72])


def test_norms_that_cannot_be_told_apart_stand_by_name():
    """By their means `rms` would be first; nothing says that it is."""
    (board,) = make_boards(entries({"rms": [0.5, 0.9, 0.7], "bn": [0.6, 0.5, 0.7], "ln": [0.7, 0.3, 0.6]}))
    assert ranks(board) == dict.fromkeys(("bn", "ln", "rms"), (1, 3))
    assert [row.norm for row in board.rows] == ["bn", "ln", "rms"]
    assert {row.groups for row in board.rows} == {"a"}
    assert board.leaders == ("bn", "ln", "rms")


def test_equal_norms_are_equal():
    (board,) = make_boards(entries({"rms": [0.5, 0.6, 0.7], "bn": [0.5, 0.6, 0.7]}))
    assert ranks(board) == {"bn": (1, 2), "rms": (1, 2)}
    assert {row.rank.place for row in board.rows} == {1}


def test_one_contribution_with_other_seeds_changes_nothing_for_the_others():
    (before,) = make_boards(entries(CLEAR))
    (after,) = make_boards(entries({**CLEAR, "rms": {7: 0.99}, "brn": {0: 0.9}}))
    assert (after.seeds, after.beside) == ((0, 1, 2), (7,))
    assert ranks(after) == ranks(before)
    assert [(row.norm, row.lacking, row.rank) for row in after.incomplete] == [
        ("rms", (0, 1, 2), None),
        ("brn", (1, 2), None),
    ]


def test_seeds_that_few_norms_have_do_not_count():
    more = {**CLEAR, "bn": [0.70, 0.711, 0.72, 0.1, 0.1]}
    (board,) = make_boards(entries(more))
    assert (board.seeds, board.beside) == ((0, 1, 2), (3, 4))
    assert board.rows[0].intervals["accuracy"].mean == pytest.approx(np.mean(CLEAR["bn"]))


@pytest.mark.parametrize(
    "values",
    [
        {"bn": [0.5, 0.6, 0.7]},
        {"bn": [0.5, 0.6], "ln": [0.1, 0.2]},
        {"bn": {0: 0.5, 1: 0.6, 2: 0.7}, "ln": {3: 0.5, 4: 0.6, 5: 0.7}},
        {"bn": [0.5, 0.6, float("nan")], "ln": [0.1, 0.2, 0.3]},
    ],
)
def test_nothing_is_ranked_that_cannot_be(values):
    (board,) = make_boards(entries(values))
    assert not board.is_ranked
    assert board.leaders == ()


def test_a_label_is_a_row_of_its_own():
    (board,) = make_boards([*entries(CLEAR), *entries({"bn": [0.9, 0.9, 0.91]}, label="transductive")])
    assert {row.norm for row in board.rows} == {"bn", "ln", "gn", "bn (transductive)"}


def test_each_setting_and_strategy_has_its_board():
    found = make_boards(
        [
            *entries(CLEAR, strategy="replay"),
            *entries(CLEAR),
            *entries(CLEAR, setting="t"),
            *entries(CLEAR, dataset="hmdb51", setting="u"),
        ]
    )
    places = [(board.first.record.names["dataset"], board.setting, board.strategy) for board in found]
    assert places == [
        ("hmdb51", "u", "naive"),
        ("synthetic", "s", "naive"),
        ("synthetic", "s", "replay"),
        ("synthetic", "t", "naive"),
    ]
    assert len({board.page for board in found}) == 4


shares = st.floats(0, 1).map(lambda value: round(value, 3))


@given(st.dictionaries(st.sampled_from(["bn", "ln", "gn", "rms", "cn"]), st.lists(shares, min_size=3, max_size=3)))
def test_order_and_letters_say_no_more_than_is_known(values):
    if not values:
        return
    (board,) = make_boards(entries(values))
    if len(values) < 2:
        return
    places = [(row.rank.best + row.rank.worst, row.norm) for row in board.rows]
    assert places == sorted(places)
    for row in board.rows:
        assert row.rank.best <= row.rank.place <= row.rank.worst
        for other in board.rows:
            if row.rank.worst < other.rank.best:  # surely apart, then
                assert not {*row.groups} & {*other.groups}


def test_a_norm_of_which_nothing_is_known_does_not_stand_first():
    """It may be the best, and may be the worst, so that it stands in the middle, whatever its mean is."""
    steady = {
        norm: [mean + mean * step for step in (0.0, 0.001, 0.002, 0.0031, 0.004)]
        for norm, mean in (("cn", 0.8), ("bn", 0.7), ("gn", 0.6), ("ln", 0.5))
    }
    (board,) = make_boards(entries({**steady, "brn": [0.1, 1.0, 1.0, 1.0, 1.0]}))
    assert ranks(board) == {"cn": (1, 2), "bn": (2, 3), "brn": (1, 5), "gn": (3, 4), "ln": (4, 5)}
    assert [row.norm for row in board.rows] == ["cn", "bn", "brn", "gn", "ln"]
    assert board.leaders == ("cn", "brn")


@given(st.lists(st.lists(shares, min_size=1, max_size=4), min_size=1, max_size=6))
def test_everything_that_is_drawn_is_on_the_scale(values):
    intervals = [t_interval(own) for own in values]
    scale = make_scale(intervals)
    assert 2 <= len(scale.ticks) <= 6
    assert (scale.ticks[0], scale.ticks[-1]) == (scale.low, scale.high)
    for interval in intervals:
        low, high = scale.ends(interval)
        places = [scale.place(value) for value in (scale.low, low, interval.mean, high, scale.high)]
        assert all(a <= b + 1e-6 for a, b in pairwise(places))


def test_without_a_number_there_is_no_scale():
    assert make_scale([t_interval([float("nan")])]) is None
