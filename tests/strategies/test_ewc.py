"""EWC: the Fisher of a linear softmax by hand, independence of batches, and the accumulated penalty."""

import pytest
import torch
from torch import nn

from clnorm.seeding import torch_generator
from clnorm.strategies.ewc import QuadraticPenalty, fisher_diagonal


@pytest.fixture
def linear():
    """A linear softmax over 4 outputs on 3 features, with 7 samples of the first 3 classes."""
    model = nn.Linear(3, 4)
    generator = torch_generator(0, "ewc test")
    with torch.no_grad():
        model.weight.normal_(generator=generator)
        model.bias.normal_(generator=generator)
    inputs = torch.randn(7, 1, 3, generator=generator)
    return model, list(zip(inputs, [0, 1, 2, 0, 1, 2, 2], strict=True))


def probabilities(model, features, seen):
    return torch.softmax((model.weight @ features + model.bias)[:seen], 0)


def test_exact_fisher_is_the_analytic_one_of_a_linear_softmax(linear):
    # E_y (1[y=c] - p_c)^2 = p_c (1 - p_c), so F[c, d] = mean_x p_c (1 - p_c) x_d^2.
    model, samples = linear
    expected = torch.zeros_like(model.weight)
    for x, _ in samples:
        p = probabilities(model, x[0], 3).detach()
        expected[:3] += torch.outer(p * (1 - p), x[0] ** 2) / len(samples)
    fisher = fisher_diagonal(model, samples, seen=3, exact=True)
    torch.testing.assert_close(fisher["weight"], expected)
    assert fisher["weight"][3].tolist() == [0, 0, 0]


def test_empirical_fisher_is_the_analytic_one_of_a_linear_softmax(linear):
    model, samples = linear
    expected = torch.zeros_like(model.bias)
    for x, label in samples:
        p = probabilities(model, x[0], 3).detach()
        p[label] -= 1
        expected[:3] += p**2 / len(samples)
    torch.testing.assert_close(fisher_diagonal(model, samples, seen=3, exact=False)["bias"], expected)


@pytest.mark.parametrize("exact", [True, False])
def test_fisher_is_a_mean_over_clips_however_they_are_grouped(linear, exact):
    model, samples = linear
    whole = fisher_diagonal(model, samples, seen=4, exact=exact)
    for size in (1, 2, 3, 7):
        groups = [samples[start : start + size] for start in range(0, len(samples), size)]
        parts = [fisher_diagonal(model, group, seen=4, exact=exact) for group in groups]
        for name, value in whole.items():
            weighted = sum(part[name] * len(group) for part, group in zip(parts, groups, strict=True))
            torch.testing.assert_close(weighted / len(samples), value)


def test_frozen_parameters_have_no_fisher(linear):
    model, samples = linear
    model.bias.requires_grad_(False)
    assert set(fisher_diagonal(model, samples, seen=4, exact=False)) == {"weight"}


def test_penalty_equals_the_sum_over_all_past_experiences():
    generator = torch_generator(1, "penalty test")

    def draw():
        return torch.randn(5, generator=generator)

    past = [({"a": draw().abs(), "b": draw().abs()}, {"a": draw(), "b": draw()}) for _ in range(3)]
    past[1][0]["a"][2] = past[0][0]["a"][2] = 0.0
    penalty = QuadraticPenalty(lam=7.0)
    for fisher, anchor in past:
        penalty.add(fisher, anchor)
    now = {name: draw().requires_grad_() for name in ("a", "b")}
    expected = 0.5 * 7.0 * sum((f[n] * (now[n] - anchor[n]) ** 2).sum() for f, anchor in past for n in now)
    torch.testing.assert_close(penalty(now), expected)
    gradients = torch.autograd.grad(penalty(now), [now["a"], now["b"]])
    for gradient, reference in zip(gradients, torch.autograd.grad(expected, [now["a"], now["b"]]), strict=True):
        torch.testing.assert_close(gradient, reference)


def test_penalty_is_zero_where_it_was_anchored_and_the_anchor_does_not_move_with_the_parameter():
    parameter = torch.tensor([1.0, 2.0], requires_grad=True)
    penalty = QuadraticPenalty(lam=2.0)
    penalty.add({"w": torch.tensor([1.0, 3.0])}, {"w": parameter})
    assert penalty({"w": parameter}).item() == 0
    with torch.no_grad():
        parameter += 1
    assert penalty({"w": parameter}).item() == pytest.approx(4.0)
