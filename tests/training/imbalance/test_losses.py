"""Losses for unequal classes against scipy, the formulas by hand, and slow loops."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from clnorm.training.imbalance.losses import ClassBalanced, Focal, LogitAdjustment, effective_weights
from clnorm.training.imbalance.samplers import ClassCounts

SETUP = SimpleNamespace(device=torch.device("cpu"))
SHOWN = [40.0, 10.0, 0.0, 5.0]
LOGITS = torch.tensor([[0.3, -1.2, 0.4, 2.0], [1.0, 0.1, -0.5, -2.0], [0.2, 0.2, 0.9, 0.1]])
TARGETS = torch.tensor([0, 1, 3])


def build(method, shown=SHOWN, **options):
    balancing = method(SETUP, **options)
    balancing.start(ClassCounts(clips=np.array(shown), shown=np.array(shown)))
    return balancing


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("shown", [[40.0, 10.0, 3.0, 5.0], [1.0, 1.0, 1.0, 1.0]])
def test_logit_adjustment_is_cross_entropy_with_the_log_prior_added(tau, shown):
    prior = np.array(shown) / sum(shown)
    log_p = log_softmax(LOGITS.numpy().astype(np.float64) + tau * np.log(prior), axis=1)
    expected = -np.mean([log_p[i, y] for i, y in enumerate(TARGETS.tolist())])
    given_loss = build(LogitAdjustment, shown, tau=tau).loss(LOGITS, TARGETS, smoothing=0.0)
    assert given_loss.item() == pytest.approx(expected, rel=1e-6)


def test_at_tau_one_it_is_balanced_softmax():
    # Ren et al., eq. 3: n_y e^z_y / sum_c n_c e^z_c.
    odds = np.array(SHOWN) * np.exp(LOGITS.numpy().astype(np.float64))
    expected = -np.mean([math.log(odds[i, y] / odds[i].sum()) for i, y in enumerate(TARGETS.tolist())])
    assert build(LogitAdjustment, tau=1.0).loss(LOGITS, TARGETS, smoothing=0.0).item() == pytest.approx(expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_class_without_a_clip_takes_no_part(smoothing):
    present = [0, 1, 3]
    adjusted = LOGITS[:, present] + torch.tensor([SHOWN[c] / sum(SHOWN) for c in present]).log()
    expected = F.cross_entropy(adjusted, torch.tensor([0, 1, 2]), label_smoothing=smoothing)
    logits = LOGITS.clone().requires_grad_()
    loss = build(LogitAdjustment, tau=1.0).loss(logits, TARGETS, smoothing=smoothing)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item())
    assert (logits.grad[:, 2] == 0).all()
    assert (logits.grad[:, present] != 0).all()


def test_classes_to_come_are_no_part_of_the_prior():
    two = build(LogitAdjustment, [3.0, 1.0, 0.0, 0.0], tau=1.0)
    assert two.loss(LOGITS[:2, :2], TARGETS[:2], smoothing=0.0).item() == pytest.approx(
        two.loss(LOGITS[:2], TARGETS[:2], smoothing=0.0).item()
    )


@pytest.mark.slow
@given(st.lists(st.integers(1, 500), min_size=2, max_size=6))
def test_the_adjusted_loss_is_least_where_the_plain_logits_are_balanced(counts):
    # If p(x | y) does not depend on y, the batches' posterior is the prior, and the minimum is at equal logits.
    balancing = build(LogitAdjustment, [float(n) for n in counts], tau=1.0)
    logits = torch.zeros(1, len(counts), dtype=torch.float64, requires_grad=True)
    prior = torch.tensor(counts, dtype=torch.float64) / sum(counts)
    loss = sum(p * balancing.loss(logits, torch.tensor([y]), smoothing=0.0) for y, p in enumerate(prior))
    loss.backward()
    assert logits.grad.abs().max() < 1e-5


def test_effective_weights_by_hand():
    # beta 0.5: effective numbers of 1, 2 and 3 clips are 1, 1.5 and 1.75, so weights 1, 2/3 and 4/7 of 47/21 in all.
    weights = effective_weights(torch.tensor([1.0, 2.0, 0.0, 3.0]), 0.5)
    expected = torch.tensor([1, 2 / 3, 0, 4 / 7]) * 3 / (47 / 21)
    torch.testing.assert_close(weights, expected)


def test_effective_weights_between_all_alike_and_inverse_frequency():
    counts = torch.tensor([40.0, 10.0, 5.0])
    torch.testing.assert_close(effective_weights(counts, 0.0), torch.ones(3))
    inverse = 1 / counts
    torch.testing.assert_close(effective_weights(counts, 0.999999), 3 * inverse / inverse.sum(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_balanced_is_a_plain_mean_of_weighted_clips(smoothing):
    weights = [(1 - 0.9) / (1 - 0.9**n) if n else 0.0 for n in SHOWN]
    scale = 3 / sum(weights)
    terms = [
        scale * weights[y] * F.cross_entropy(LOGITS[i : i + 1], TARGETS[i : i + 1], label_smoothing=smoothing).item()
        for i, y in enumerate(TARGETS.tolist())
    ]
    given_loss = build(ClassBalanced, beta=0.9).loss(LOGITS, TARGETS, smoothing=smoothing)
    assert given_loss.item() == pytest.approx(sum(terms) / 3)


def test_a_batch_in_pieces_has_the_loss_of_the_whole():
    balancing = build(ClassBalanced, beta=0.99)
    pieces = [(LOGITS[:1], TARGETS[:1]), (LOGITS[1:], TARGETS[1:])]
    added = sum(len(y) / 3 * balancing.loss(z, y, smoothing=0.0).item() for z, y in pieces)
    assert added == pytest.approx(balancing.loss(LOGITS, TARGETS, smoothing=0.0).item())


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_focal_at_gamma_zero_is_cross_entropy(smoothing):
    expected = F.cross_entropy(LOGITS, TARGETS, label_smoothing=smoothing)
    torch.testing.assert_close(build(Focal, gamma=0.0).loss(LOGITS, TARGETS, smoothing=smoothing), expected)


def test_focal_by_hand():
    # p = 1/4, 3/4: targets right and wrong, gamma 2: (1/4)^2 ln(4/3) and (3/4)^2 ln 4.
    logits = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)]])
    expected = (math.log(4 / 3) / 16 + 9 / 16 * math.log(4)) / 2
    assert build(Focal, gamma=2.0).loss(logits, torch.tensor([1, 0]), smoothing=0.0).item() == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_has_finite_gradients_where_a_clip_is_certain(gamma, smoothing):
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    loss = build(Focal, gamma=gamma).loss(logits, torch.tensor([0, 0]), smoothing=smoothing)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_focal_gradient_against_finite_differences():
    logits = LOGITS.double().requires_grad_()
    focal = build(Focal, gamma=1.5)
    assert torch.autograd.gradcheck(lambda z: focal.loss(z, TARGETS, smoothing=0.1), logits)
