"""The fitted head against scikit-learn's logistic regression, and with rows that stay."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from clnorm.training.imbalance.head_fit import fit_head


def problem(classes=3, n=40, d=4, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    points = 3 + 10 * generator.normal(size=(n, d)) + 4 * labels[:, None]
    return points, labels, generator.normal(size=(classes, d)), generator.normal(size=classes)


def test_agrees_with_scikit_learn():
    points, labels, weight, bias = problem()
    fit = fit_head(points, labels, weight, bias, free=np.arange(3), l2=0.01)
    scaled = (points - points.mean(axis=0)) / points.std(axis=0)
    oracle = LogisticRegression(C=1 / (0.01 * len(points)), tol=1e-10, max_iter=10_000).fit(scaled, labels)
    assert fit.converged
    np.testing.assert_allclose(
        softmax(points @ fit.weight.T + fit.bias, axis=1), oracle.predict_proba(scaled), atol=1e-4
    )


def test_rows_that_stay_take_part_and_stay():
    points, labels, weight, bias = problem(classes=4)
    known = labels >= 2
    points, labels = points[known], labels[known]
    fit = fit_head(points, labels, weight, bias, free=np.array([2, 3]), l2=0.1)
    np.testing.assert_array_equal(fit.weight[:2], weight[:2])
    np.testing.assert_array_equal(fit.bias[:2], bias[:2])
    mean, spread = points.mean(axis=0), points.std(axis=0)

    def objective(rows, offsets):
        logits = points @ rows.T + offsets
        loss = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()
        return loss + 0.05 * ((rows[2:] * spread) ** 2).sum()

    least = objective(fit.weight, fit.bias)
    assert fit.loss == pytest.approx(least - 0.05 * ((fit.weight[2:] * spread) ** 2).sum())
    generator = np.random.default_rng(0)
    for size in (1e-2, 1e-1, 1.0):  # a minimum, since the problem is convex
        for _ in range(20):
            step, shift = size * generator.normal(size=(2, 4)) / spread, size * generator.normal(size=2)
            moved, offsets = fit.weight.copy(), fit.bias.copy()
            moved[2:] += step
            offsets[2:] += shift - step @ mean
            assert objective(moved, offsets) > least


def test_a_feature_that_never_changes_does_no_harm():
    points, labels, weight, bias = problem()
    points[:, 1] = 7.0
    fit = fit_head(points, labels, weight, bias, free=np.arange(3), l2=0.01)
    assert fit.converged
    np.testing.assert_allclose(fit.weight[:, 1], 0, atol=1e-4)


def test_same_problem_same_bits():
    first, second = (fit_head(*problem(), free=np.arange(3), l2=0.01) for _ in range(2))
    assert np.array_equal(first.weight, second.weight)
