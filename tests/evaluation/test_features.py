"""Nearest class means and linear CKA against their equations, written out as slow loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.evaluation.features import class_means, linear_cka, score_by_means


def unit(vector):
    length = math.sqrt(sum(value * value for value in vector))
    return [value / (length or 1.0) for value in vector]


def nearest_slowly(train, targets, clip):
    """Algorithm 1 of iCaRL, a number at a time: the class of the nearest mean."""
    best, found = math.inf, None
    for label in sorted(set(targets)):
        units = [unit(row) for row, own in zip(train, targets, strict=True) if own == label]
        mean = unit([sum(values) / len(units) for values in zip(*units, strict=True)])
        distance = math.sqrt(sum((a - b) ** 2 for a, b in zip(unit(clip), mean, strict=True)))
        if distance < best - 1e-12:
            best, found = distance, label
    return found, best


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(1, 5), columns=st.integers(1, 6))
def test_the_nearest_mean_is_that_of_the_algorithm(seed, classes, columns):
    draw = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(classes), draw.integers(0, classes, 9)])
    train = draw.normal(size=(len(targets), columns)) + 0.1
    clips = draw.normal(size=(6, columns)) * 10
    scores = score_by_means(clips.astype(np.float32), class_means(train, targets, classes=classes + 2))
    assert np.isneginf(scores[:, classes:]).all()
    for clip, row in zip(clips.astype(np.float32).tolist(), scores, strict=True):
        found, distance = nearest_slowly(train.tolist(), targets.tolist(), clip)
        assert row.max() == pytest.approx(-distance, abs=1e-7)
        assert row[found] == pytest.approx(row.max(), abs=1e-7)


def test_means_count_directions_and_not_lengths():
    """A long feature weighs as much as a short one, and the mean is on the unit sphere again."""
    means = class_means([[100.0, 0.0], [0.0, 1.0], [0.0, -3.0]], np.array([0, 0, 2]), classes=3)
    assert means[0] == pytest.approx([0.5**0.5, 0.5**0.5])
    assert np.isnan(means[1]).all()
    assert means[2] == pytest.approx([0, -1])
    assert score_by_means([[5.0, 5.0]], means)[0] == pytest.approx([0, -np.inf, -((2 + 2**0.5) ** 0.5)], abs=1e-7)


def test_features_of_zeros_have_a_distance_too():
    means = class_means(np.zeros((2, 3)), np.array([0, 1]), classes=2)
    assert not means.any()
    assert not score_by_means(np.zeros((1, 3)), means).any()


def cka_slowly(x, y):
    """By the Gram matrices: HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), equations 3 and 4 of Kornblith et al. 2019."""
    n = len(x)

    def gram(rows):
        products = [[sum(a * b for a, b in zip(p, q, strict=True)) for q in rows] for p in rows]
        of_row = [sum(row) / n for row in products]
        whole = sum(of_row) / n
        return [[products[i][j] - of_row[i] - of_row[j] + whole for j in range(n)] for i in range(n)]

    def hsic(k, m):
        return sum(k[i][j] * m[j][i] for i in range(n) for j in range(n)) / (n - 1) ** 2

    k, m = gram(x), gram(y)
    return hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 9), d=st.integers(1, 5), e=st.integers(1, 5))
def test_cka_is_that_of_the_gram_matrices(seed, n, d, e):
    draw = np.random.default_rng(seed)
    x, y = draw.normal(size=(n, d)) + 3, draw.normal(size=(n, e)) - 1
    assert linear_cka(x, y) == pytest.approx(cka_slowly(x.tolist(), y.tolist()), rel=1e-9)
    assert linear_cka(y, x) == pytest.approx(linear_cka(x, y), rel=1e-12)


def test_cka_sees_neither_rotation_nor_scale_nor_shift():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(20, 5))
    rotation = np.linalg.qr(draw.normal(size=(5, 5)))[0]
    assert linear_cka(x, 7 * x @ rotation + 3) == pytest.approx(1)
    assert linear_cka(x, x * [9, 1, 1, 1, 1]) < 0.9


@pytest.mark.parametrize("constant", [np.full((4, 3), 0.1), np.full((4, 3), 1e30), np.zeros((4, 3))])
def test_cka_of_what_does_not_vary_is_undefined(constant):
    assert math.isnan(linear_cka(constant, np.eye(4)))
    assert math.isnan(linear_cka(np.eye(4), constant))
    assert math.isnan(linear_cka([[1.0, 2.0]], [[1.0, 2.0]]))
