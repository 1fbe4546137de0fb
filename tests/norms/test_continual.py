"""Continual Normalization: what its evaluation is, and its independence of nn.BatchNorm."""

import torch
import torch.nn.functional as F
from torch import nn

from clnorm.norms import NormSite, build_norm
from tests.norms.steps import C, build, draw

EPS = 1e-5


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
