"""RMSNorm: its default eps, its one parameter, and gradients of parts and of strided tensors."""

import torch
import torch.nn.functional as F

from clnorm import swap_norms
from tests.norms.steps import C, build, draw


def test_a_small_input_shows_the_default_eps():
    norm, x = build("rms"), draw(4, 3, C).float() * 1e-3
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight
    torch.testing.assert_close(norm(x), expected)


def test_there_is_no_bias_and_none_is_carried():
    norm = build("rms")
    assert [name for name, _ in norm.named_parameters()] == ["weight"]
    assert not norm(torch.zeros(2, 3, C)).any()
    model = torch.nn.Sequential(torch.nn.LayerNorm(C))
    assert swap_norms(model, "rms").sites[0].carried == ("weight",)


def test_a_gradient_for_one_of_both():
    norm, x = build("rms"), draw(3, 2, C).float().requires_grad_()
    norm.weight.requires_grad_(False)
    norm(x).sum().backward()
    expected = torch.autograd.grad(F.rms_norm(x, (C,), norm.weight, 1e-6).sum(), x)[0]
    torch.testing.assert_close(x.grad, expected)
    norm.weight.requires_grad_(True)
    norm(x.detach()).sum().backward()
    torch.testing.assert_close(norm.weight.grad, F.rms_norm(x.detach(), (C,), None, 1e-6).sum((0, 1)))


def test_strided_input_and_gradient():
    norm, x = build("rms"), draw(3, C, 5).float().transpose(1, 2).requires_grad_()
    dy = draw(3, C, 5, seed=4).float()
    norm(x).transpose(1, 2).contiguous().backward(dy)
    dense = x.detach().contiguous().requires_grad_()
    norm(dense).backward(dy.transpose(1, 2).contiguous())
    torch.testing.assert_close(x.grad, dense.grad)
