"""Continual Normalization against torch's two calls, its evaluation identity, and its independence of nn.BatchNorm."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.norms import NormSite, build_norm

C, EPS = 12, 1e-5


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def build(spec: str, channels: int = C) -> nn.Module:
    norm = build_norm(spec, channels)
    with torch.no_grad():
        norm.weight.copy_(draw(channels, seed=1))
        norm.bias.copy_(draw(channels, seed=2))
    return norm


def two_calls(x: torch.Tensor, groups: int, batch_norm: nn.BatchNorm1d) -> torch.Tensor:
    """(S, L, C) -> (S, L, C) by torch's group_norm and BatchNorm1d, on channels first."""
    return batch_norm(F.group_norm(x.transpose(1, 2), groups, eps=EPS)).transpose(1, 2)


def gradients(module: nn.Module, function, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    module.zero_grad()
    y = function(x)
    y.backward(draw(*y.shape, seed=30).to(y))
    return [y.detach(), x.grad, module.weight.grad.clone(), module.bias.grad.clone()]


def assert_same(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        assert (ours_one.double() - theirs_one.double()).norm() / theirs_one.double().norm() < 1e-5


@pytest.mark.parametrize(("groups", "shape"), [(1, (5, 1, C)), (4, (5, 7, C)), (12, (5, 7, C)), (4, (1, 7, C))])
def test_equals_two_calls_over_training_and_evaluation(groups, shape):
    ours = build(f"cn:groups={groups}")
    theirs = nn.BatchNorm1d(C, eps=EPS)
    theirs.load_state_dict(ours.state_dict())
    for step in range(4):
        x = draw(*shape, seed=step) * (1 + step) + step
        assert_same(gradients(ours, ours, x), gradients(theirs, lambda x: two_calls(x, groups, theirs), x))
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer)
    ours.eval(), theirs.eval()
    x = draw(*shape, seed=9)
    assert_same(gradients(ours, ours, x), gradients(theirs, lambda x: two_calls(x, groups, theirs), x))


@pytest.mark.parametrize("spread", [False, True], ids=["one mean", "a mean per channel"])
def test_precision_survives_large_means(spread):
    norm, oracle = build("cn:groups=32", 96), build("cn:groups=32", 96).double()
    means = draw(96, seed=4) * 100 if spread else 1000.0
    x = draw(64, 37, 96) + means
    reference = nn.BatchNorm1d(96, eps=EPS).double()
    reference.load_state_dict(oracle.state_dict())
    assert_same(gradients(norm, norm, x), gradients(reference, lambda x: two_calls(x, 32, reference), x.double()))


def test_evaluation_is_a_group_norm_with_folded_affine_map():
    norm = build("cn:groups=4,eps=1e-3")
    for step in range(30):
        norm(draw(8, 5, C, seed=step) * torch.linspace(0.5, 3, C) + torch.linspace(-2, 2, C))
    norm.eval()
    x = draw(6, 5, C, seed=50) + 3
    scale = norm.weight / (norm.running_var + 1e-3).sqrt()
    shift = norm.bias - scale * norm.running_mean
    folded = F.group_norm(x.transpose(1, 2), 4, scale, shift, 1e-3).transpose(1, 2)
    torch.testing.assert_close(norm(x), folded)


def test_one_group_at_a_token_evaluates_as_layer_norm():
    norm = build("cn:groups=1,axis=token")
    x = draw(2, 3, 5, C)
    site = NormSite(norm, "token")
    site(x)
    site.eval()
    scale = norm.weight / (norm.running_var + EPS).sqrt()
    folded = F.layer_norm(x, (C,), scale, norm.bias - scale * norm.running_mean, EPS)
    torch.testing.assert_close(site(x), folded)


def test_the_running_variance_is_the_unbiased_one():
    norm = build_norm("cn:groups=1,momentum=1.0", 2)
    x = torch.tensor([[[0.0, 2.0]], [[5.0, 1.0]], [[0.0, 6.0]]])  # z = (-1, 1), (1, -1), (-1, 1) but for eps
    norm(x)
    torch.testing.assert_close(norm.running_mean, torch.tensor([-1 / 3, 1 / 3]), rtol=1e-4, atol=0)
    torch.testing.assert_close(norm.running_var, torch.full((2,), 4 / 3), rtol=1e-4, atol=0)


def test_a_shift_common_to_a_samples_group_is_removed():
    norm = build("cn:groups=4")
    x, shift = draw(6, 5, C), 10 * draw(6, 1, 4, seed=7).repeat_interleave(3, dim=2)
    torch.testing.assert_close(norm(x + shift), norm(x), rtol=1e-4, atol=1e-4)


def test_conversion_to_sync_batch_norm_leaves_it_alone():
    norm = build("cn:groups=4")
    assert not isinstance(norm, nn.modules.batchnorm._BatchNorm)
    assert nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(norm))[0] is norm
