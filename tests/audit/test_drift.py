"""Drift against loops, and against all orders of a few classes."""

import itertools

import numpy as np
import pytest

from clnorm.audit.drift import (
    Drift,
    class_sums,
    count_orders,
    drift_of,
    examine,
    experience_means,
    judge,
    list_orders,
    measure_drift,
    standardize,
)
from clnorm.audit.verdicts import Mark


def by_hand(values, labels, experiences):
    means = [np.nanmean(values[np.isin(labels, classes)], axis=0) for classes in experiences]
    steps = [np.sqrt(((b - a) ** 2).mean()) for a, b in itertools.pairwise(means)]
    return means, np.mean(steps)


def test_means_and_drift_equal_loops_for_every_order():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 50)
    values = rng.normal(size=(50, 3)) + labels[:, None]
    values[::7, 1] = np.nan
    sums, counts = class_sums(values, labels, classes=6)
    orders = np.stack([rng.permutation(6) for _ in range(5)])
    got = experience_means(sums, counts, orders=orders, sizes=[2, 1, 3])
    for order, means in zip(orders, got, strict=True):
        expected, drift = by_hand(values, labels, [order[:2], order[2:3], order[3:]])
        np.testing.assert_allclose(means, expected)
        assert drift_of(means) == pytest.approx(drift)


def test_standardizing():
    values = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, 2.0], [5.0, 5.0, 4.0]])
    np.testing.assert_allclose(
        standardize(values), [[-(1.5**0.5), 0, np.nan], [0, 0, -1], [1.5**0.5, 0, 1]], atol=1e-12
    )


def test_the_p_value_is_the_share_of_orders_that_drift_as_much():
    labels = np.repeat(np.arange(5), 2)
    values = np.array([0.0, 1.0, 3.0, 7.0, 20.0])[labels, None]
    experiences = ((0,), (4,), (1,), (3,), (2,))
    drifts = [by_hand(values, labels, [[c] for c in order])[1] for order in itertools.permutations(range(5))]
    true = by_hand(values, labels, experiences)[1]
    drift = measure_drift(values, labels, experiences, generator=np.random.default_rng(0))
    assert drift.value == pytest.approx(true)
    assert drift.p == np.mean(np.array(drifts) >= true - 1e-12)
    np.testing.assert_allclose(np.sort(drift.random), np.sort(drifts))


def test_orders_within_an_experience_are_one_stream():
    assert count_orders([1, 2, 3]) == 60
    listed = list(list_orders([5, 0, 3, 1, 2, 4], [1, 2, 3]))
    streams = {(order[0], frozenset(order[1:3]), frozenset(order[3:])) for order in listed}
    assert len(streams) == len(listed) == 60
    assert all(sorted(order) == list(range(6)) for order in listed)


def brighten(order):
    """Classes whose brightness rises or alternates with their place in `order`."""

    def change(clips, splits):
        for place, label in enumerate(order):
            own = slice(12 * label, 12 * label + 12)
            clips[own] = clips[own] // 4 + 40 * (place % 2) + 60
        return clips

    return change


@pytest.mark.parametrize(
    ("experiences", "mark"), [(((0,), (1,), (2,), (3,), (4,), (5,)), Mark.NOTE), (((0, 1), (2, 3), (4, 5)), Mark.OK)]
)
def test_a_stream_that_jumps_between_dark_and_bright_classes_is_told(clean, random_clips, experiences, mark):
    subject = clean(
        lambda clips, splits: brighten(range(6))(random_clips(72), splits),
        labels=np.repeat(np.arange(6), 12),
        splits=(["train"] * 8 + ["test"] * 4) * 6,
        groups=range(72),
        experiences=experiences,
    )
    section = examine(subject)
    assert section.verdict.mark is mark
    assert len(section.values["from_the_mean"]) == len(experiences)
    assert len(section.values["steps"]) == len(experiences) - 1


@pytest.mark.parametrize(
    ("value", "p", "mark"), [(1.2, 0.01, Mark.WARNING), (0.9, 0.05, Mark.NOTE), (1.2, 0.06, Mark.OK)]
)
def test_the_mark_needs_both_size_and_rarity(value, p, mark):
    assert judge(Drift(value, np.linspace(0.5, 1, 9), p)).mark is mark


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experiences": (), "no_stream": "protocol: 5 experiences cannot be made"}, "no stream: protocol: 5"),
        ({"experiences": ((0, 1, 2),)}, "one experience has nothing to drift to"),
        ({}, "3 classes have only 6 orders"),
        ({"splits": ["test"] * 16 + ["train"] * 32}, "no training clips in experience 2"),
    ],
)
def test_what_cannot_be_told_is_said_with_the_reason(clean, changes, words):
    section = examine(clean(**changes))
    assert section.verdict.mark is Mark.UNKNOWN
    assert words in section.verdict.text


def test_the_same_seed_gives_the_same_verdict(clean, random_clips):
    labels = np.repeat(np.arange(6), 8)
    experiences = tuple((label,) for label in range(6))
    first, second = (examine(clean(labels=labels, experiences=experiences)) for _ in range(2))
    assert first == second
