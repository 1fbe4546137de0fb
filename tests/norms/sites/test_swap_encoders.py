"""Swapping norms where torch's own encoders, shared weights or hooks would undo it."""

import pytest
import torch
from torch import nn

from clnorm.errors import UserError
from clnorm.norms import swap_norms

C = 8


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def create_encoder(layers=1, **options):
    settings = {"dim_feedforward": 2 * C, "dropout": 0.0, "batch_first": True, **options}
    layer = nn.TransformerEncoderLayer(C, 2, **settings)
    return layer if layers == 1 else nn.TransformerEncoder(layer, layers, enable_nested_tensor=True)


@torch.no_grad()
@pytest.mark.parametrize("layers", [1, 2])
def test_torchs_encoder_evaluates_by_the_swapped_norms(layers):
    x = draw(3, 5, C) * torch.linspace(0.2, 3, C)
    mask = {} if layers == 1 else {"src_key_padding_mask": torch.zeros(3, 5, dtype=torch.bool)}
    model = create_encoder(layers)
    before = model.train()(x, **mask)
    swap_norms(model, "gn:groups=2")
    torch.testing.assert_close(model.eval()(x, **mask), model.train()(x, **mask))
    for spec in ("cn:groups=2", "torch.nn.BatchNorm1d", "torch.nn.RMSNorm"):
        swap_norms(model, spec)
        assert not torch.allclose(model.eval()(x, **mask), before, atol=1e-2), spec
    swap_norms(model, "ln:eps=1e-5")
    torch.testing.assert_close(model.eval()(x, **mask), before, atol=1e-5, rtol=1e-5)


def test_an_encoder_made_of_a_swapped_layer_evaluates_by_its_norms():
    layer = create_encoder()
    swap_norms(layer, "gn:groups=2")
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    x = draw(3, 5, C)
    torch.testing.assert_close(model.eval()(x), model.train()(x))


@pytest.mark.parametrize("spec", ["gn:groups=2", "cn:groups=2,axis=clip", "tbbn"])
def test_positions_before_clips_are_refused(spec):
    model = nn.Sequential(create_encoder(batch_first=False))
    with pytest.raises(UserError, match=r"Sequential: 0\.self_attn has batch_first=False.*batch_first=True"):
        swap_norms(model, spec)
    assert isinstance(model[0].norm1, nn.LayerNorm)


@pytest.mark.parametrize("spec", ["ln:eps=1e-5", "bn", "dyt", "gn:groups=2,axis=token"])
def test_positions_before_clips_serve_norms_that_do_not_tell_them_apart(spec):
    x = draw(5, 3, C)
    first, second = create_encoder(batch_first=True), create_encoder(batch_first=False)
    second.load_state_dict(first.state_dict())
    swap_norms(first, spec)
    swap_norms(second, spec)
    torch.testing.assert_close(second(x), first(x.transpose(0, 1)).transpose(0, 1))


def test_a_weight_that_two_norms_share_is_refused_by_name(create_model):
    model = create_model()
    model[1].norm2.weight = model[0].norm1.weight
    with pytest.raises(UserError, match=r"norm site '0.norm1': a parameter is shared.*0.norm1.weight, 1.norm2.weight"):
        swap_norms(model, "bn")
    assert isinstance(model[0].norm1, nn.LayerNorm)


@pytest.mark.parametrize(
    "register",
    [
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_hooks_that_a_swap_would_lose_are_refused(register, swapped, create_model):
    model = create_model()
    norm = model[1].norm2
    if swapped:
        swap_norms(model, "torch.nn.BatchNorm1d")
        norm = model[1].norm2.norm.norm
    handle = getattr(norm, register)(lambda *_: None)
    with pytest.raises(UserError, match=rf"norm site '1.norm2': {type(norm).__name__} has hooks"):
        swap_norms(model, "bn")
    handle.remove()
    assert swap_norms(model, "bn").found == 4


def test_a_hook_on_a_site_stays(create_model):
    model, calls = create_model(), []
    swap_norms(model, "bn")
    model[0].norm1.register_forward_hook(lambda *_: calls.append(1))
    swap_norms(model, "ln")
    model(draw(4, 5, C))
    assert calls == [1]
