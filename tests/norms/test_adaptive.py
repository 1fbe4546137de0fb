"""AdaB2N: its momentum, the weights of tasks, and the loss that it adds."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.errors import UserError
from clnorm.norms import NormSite, StepContext, provide_context, take_auxiliary_loss
from clnorm.norms.calibrate import calibrate_norms
from tests.norms.steps import C, draw
from tests.norms.steps import build as build_spec

EPS, M, TASKS = 1e-3, 0.2, 5
BATCHES = [[0, 0, 0, 0], [2, 0, 2, 1], [2, 2, 2, 0], [3, 3, 1, 1]]


def build(kappa: float = 0.5, lam: float = 0.7) -> nn.Module:
    return build_spec(f"adab2n:eps={EPS},momentum={M},kappa={kappa},lam={lam},tasks={TASKS}")


def batch_of(tasks: list[int]) -> StepContext:
    return StepContext(torch.tensor(tasks), max(tasks), 0.0)


@pytest.mark.parametrize(
    ("kappa", "expected"), [(0.0, [1, 1 / 2, 1 / 3, 1 / 4]), (1.0, [M, M, M, M]), (0.5, [M**0.5, 1 / 3, 0.271498])]
)
def test_momentum(kappa, expected):
    """By hand: at kappa = 0.5, eta_2 = 0.4472136 / (0.4472136 + 0.8944272), eta_3 = 1/3 / (1/3 + 0.8944272)."""
    norm = build(kappa)
    for tasks, eta in zip(BATCHES, expected, strict=False):
        norm.receive_context(batch_of(tasks))
        norm(draw(4, 5, C))
        assert norm.eta.item() == pytest.approx(eta, rel=1e-5)


def test_a_batch_of_one_task_is_normalized_as_by_batch_norm():
    norm, x = build(), draw(4, 5, C)
    norm.receive_context(batch_of([3, 3, 3, 3]))
    expected = F.batch_norm(x.flatten(0, 1), None, None, norm.weight, norm.bias, True, eps=EPS).view(x.shape)
    torch.testing.assert_close(norm(x), expected)


def test_a_task_of_a_large_theta_decides_alone():
    norm, x = build(), draw(4, 5, C)
    with torch.no_grad():
        norm.theta[1] = 50.0
    norm.receive_context(batch_of([1, 0, 2, 0]))
    expected = (x - x[0].mean(0)) / (x[0].var(0, correction=0) + EPS).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-4)


def test_the_auxiliary_losses_of_a_model_sum_clear_and_reach_theta_and_x():
    model = nn.Sequential(build(lam=1.0), build(lam=1.0))
    x = draw(4, 5, C).requires_grad_()
    provide_context(model, batch_of([2, 0, 2, 1]))
    model(x)
    losses = [norm.auxiliary_loss for norm in model]
    total = take_auxiliary_loss(model)
    assert total.item() == pytest.approx(sum(loss.item() for loss in losses))
    assert take_auxiliary_loss(model) is None
    total.backward()
    assert all(norm.theta.grad[[0, 1, 2]].abs().min() > 0 for norm in model)
    assert all(norm.theta.grad[[3, 4]].abs().max() == 0 for norm in model)  # in no clip of the batch
    assert x.grad.abs().min() > 0
    model.eval()(x)
    assert take_auxiliary_loss(model) is None


def test_lam_scales_the_auxiliary_loss():
    losses = {}
    for lam in (1.0, 0.25):
        norm = build(lam=lam)
        norm.receive_context(batch_of([1, 0, 0, 0]))
        norm(draw(4, 5, C))
        losses[lam] = take_auxiliary_loss(norm).item()
    assert losses[0.25] == pytest.approx(0.25 * losses[1.0])


def test_calibration_takes_the_plain_average_and_leaves_the_momentum_to_training():
    norm, batches = build(), [draw(4, 5, C, seed=seed) for seed in range(3)]
    site = NormSite(norm, "frame")
    calibrate_norms(site, batches)
    torch.testing.assert_close(norm.running_mean, torch.stack([x.mean((0, 1)) for x in batches]).mean(0))
    variances = torch.stack([x.var((0, 1), correction=0) for x in batches])
    torch.testing.assert_close(norm.running_var, variances.mean(0))
    assert norm.eta.item() == 0
    norm.receive_context(batch_of([0, 0, 0, 0]))
    norm.train()(batches[0])
    assert norm.eta.item() == pytest.approx(M**0.5)


@pytest.mark.parametrize(
    "context", [StepContext(torch.tensor([0, 5]), 0, 0.0), StepContext(torch.tensor([0, 0]), 5, 0.0)]
)
def test_more_experiences_than_it_was_built_for_are_refused(context):
    with pytest.raises(UserError, match=r"experience 5 \(from 0\) for a norm built with tasks=5.*option tasks"):
        build().receive_context(context)
