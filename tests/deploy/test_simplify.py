"""Simplified norms: the same logits as in evaluation, the sites that changed, and those that did not."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from clnorm.deploy.simplify import largest_difference, restructure, simplify_norms
from clnorm.models.create import create_model
from clnorm.norms.group import GroupNorm
from clnorm.norms.sites.adapter import NormSite
from clnorm.norms.sites.swap import swap_norms

SITES = {"lsvit_nano": 13, "lsvit_signed_nano": 13, "lsvit_signed_nano:smif=frames": 13, "vit_nano": 9}
TIMM = "timm:test_vit"


class Halving(nn.Module):
    """A plug-in: x * weight, halved at the start."""

    def __init__(self, num_channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_channels,), 0.5))

    def forward(self, x):
        return x * self.weight


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def settle(model):
    """Every parameter moved off its start, and running statistics that batches have moved; in training mode."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)  # of stochastic depth
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        for seed in range(3):
            model(draw(4, 4, 3, 16, 16, seed=seed))
    return model


def trained(backbone, norm):
    return settle(create_model(backbone, norm=norm, num_classes=5, image_size=16, num_frames=4).train())


def assert_same_logits(model):
    """Exact but for rounding, which the wider numbers show to be rounding."""
    clips = draw(3, 4, 3, 16, 16, seed=9)
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-11)):
        wide = deepcopy(model).to(dtype).eval()
        difference, largest = largest_difference(wide, simplify_norms(wide).model, clips.to(dtype))
        assert largest > 0.1
        assert difference <= tolerance * largest


@pytest.mark.slow
@pytest.mark.parametrize("backbone", SITES)
@pytest.mark.parametrize("norm", ["cn:axis=token", "cn:axis=frame", "cn:axis=clip,groups=8", "cn:eps=0.1"])
def test_cn_becomes_a_group_norm_of_the_same_groups_eps_and_axis(backbone, norm):
    model = trained(backbone, norm)
    done = simplify_norms(model)
    assert (len(done.group_norms), done.folded, done.kept) == (SITES[backbone], {}, {})
    assert done.summary() == f"{SITES[backbone]} ContinualNorm became GroupNorm"
    for path in done.group_norms:
        before, after = model.get_submodule(path), done.model.get_submodule(path)
        assert type(after.norm) is GroupNorm
        assert (after.axis, after.norm.groups, after.norm.eps) == (before.axis, before.norm.groups, before.norm.eps)
    assert_same_logits(model)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", [*SITES, TIMM])
def test_bn_is_folded_into_the_linear_layer_behind(backbone):
    model = trained(backbone, "bn")
    done = simplify_norms(model)
    assert (done.group_norms, len(done.folded), done.kept) == ({}, (SITES | {TIMM: 13})[backbone], {})
    assert done.folded["blocks.0.norm1"] == "blocks.0.attn.qkv"
    assert done.folded["norm"] == "head"
    assert not any(isinstance(module, NormSite) for module in done.model.modules())
    assert_same_logits(model)


@pytest.mark.parametrize(
    ("norm", "kind"), [("ln", "LayerNorm"), ("gn:axis=clip", "GroupNorm"), (f"{__name__}:Halving", "Halving")]
)
def test_other_norms_stay(norm, kind):
    model = trained("lsvit_nano", norm)
    done = simplify_norms(model)
    assert (done.group_norms, done.folded, set(done.kept.values())) == ({}, {}, {kind})
    assert done.summary() == f"13 {kind} kept"
    assert_same_logits(model)


def test_the_trained_model_is_left_alone():
    model = trained("lsvit_nano", "cn")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    done = simplify_norms(model)
    assert model.training
    assert not done.model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    statistics = model.blocks[0].norm1.norm
    assert statistics.running_mean.abs().max() > 0
    assert (statistics.running_var - 1).abs().max() > 0


class Gated(nn.Module):
    """A norm whose output is not what the linear layer behind it sees."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.norm(x).relu())


def test_bn_stays_where_no_linear_layer_is_known_to_follow():
    model = Gated()
    swap_norms(model, "bn")
    done = simplify_norms(model)
    assert (done.folded, done.kept) == ({}, {"norm": "BatchNorm"})


class Plain(nn.Module):
    """A backbone of one's own that names the linear layer behind its norm."""

    linear_after = {"norm": "head"}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.norm(x))


class Bent(Plain):
    """One that inherits the name, and has something between."""

    def forward(self, x):
        return self.head(self.norm(x).relu())


def test_a_class_of_ones_own_may_name_its_linear_layer_and_a_subclass_does_not_inherit_it():
    for kind, folded in ((Plain, {"norm": "head"}), (Bent, {})):
        model = kind()
        swap_norms(model, "bn")
        with torch.no_grad():
            for seed in range(3):
                model(3 * draw(16, 4, 8, seed=seed) + 1)
        model, x = model.double().eval(), draw(5, 4, 8, seed=7).double()
        done = simplify_norms(model)
        assert done.folded == folded
        torch.testing.assert_close(done.model(x), model(x))


@pytest.mark.parametrize("norm", ["norm1", "norm2"])
def test_a_block_of_timm_is_known_by_its_class_and_not_its_subclasses(norm):
    from timm.models.vision_transformer import Block

    class Other(Block):
        pass

    for kind, known in ((Block, True), (Other, False)):
        model = nn.Sequential(kind(8, num_heads=2))
        swap_norms(model, "bn")
        assert (f"0.{norm}" in simplify_norms(model).folded) == known


def test_bn_stays_where_two_places_share_it():
    model = create_model("lsvit_nano", norm="bn", num_classes=5, image_size=16, num_frames=4)
    model.blocks[1].norm1 = model.blocks[0].norm1
    done = simplify_norms(settle(model.train()))
    assert done.kept == {"blocks.0.norm1": "BatchNorm"}
    assert len(done.folded) == 11
    assert_same_logits(model)


def test_a_pool_that_is_not_linear_keeps_the_last_bn():
    model = create_model("timm:test_vit", norm="bn", num_classes=5, image_size=16, num_frames=4)
    model.global_pool = "max"
    done = simplify_norms(settle(model.train()))
    assert done.kept == {"norm": "BatchNorm"}
    assert_same_logits(model)


def test_a_linear_layer_without_a_bias_gets_one():
    model = create_model("lsvit_nano", norm="bn", num_classes=5, image_size=16, num_frames=4)
    model.blocks[0].attn.qkv.bias = None
    done = simplify_norms(settle(model.train()))
    assert done.model.blocks[0].attn.qkv.bias.abs().max() > 0
    assert_same_logits(model)


@pytest.mark.parametrize("norm", ["cn:axis=clip,groups=4", "bn"])
def test_restructuring_makes_room_for_the_simplified_weights(norm):
    done = simplify_norms(trained("lsvit_nano", norm))
    fresh = create_model("lsvit_nano", norm=norm, num_classes=5, image_size=16, num_frames=4)
    restructure(fresh, group_norms=done.group_norms, folded=done.folded)
    fresh.load_state_dict(done.model.state_dict())
    clips = draw(2, 4, 3, 16, 16)
    assert torch.equal(fresh.eval()(clips), done.model(clips))


def test_the_largest_difference_is_absolute_and_over_all_logits():
    clips = torch.tensor([[1.0, -4.0], [2.0, 3.0]])
    assert largest_difference(nn.Identity(), lambda x: x + torch.tensor([[0.0, 0.5], [-0.75, 0.0]]), clips) == (
        0.75,
        4.0,
    )
