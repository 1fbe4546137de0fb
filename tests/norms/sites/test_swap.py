"""Swapping the norms of a model, completely or not at all."""

import copy
import json

import pytest
import timm
import torch
from torch import nn

from clnorm.catalogue import NORMS
from clnorm.errors import UserError
from clnorm.norms import NormSite, build_norm, swap_norms

C = 8


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_layer_norm_swapped_for_ours_changes_nothing(create_model):
    model = create_model()
    x = draw(4, 5, C, seed=20)
    before, state = model(x), copy.deepcopy(model.state_dict())
    report = swap_norms(model, "ln")
    assert torch.equal(model(x), before)
    assert report.found == report.replaced == 4
    assert [site.name for site in report.sites] == ["0.norm1", "0.norm2", "1.norm1", "1.norm2"]
    assert all(site.carried == ("weight", "bias") and site.fresh == () for site in report.sites)
    assert set(model.state_dict()) == {
        key.replace("norm1.", "norm1.norm.").replace("norm2.", "norm2.norm.") for key in state
    }


@pytest.mark.parametrize("spec", ["ln", "bn", "gn:groups=4", "cn:groups=4,axis=token"])
def test_a_vit_of_timm_trains_with_every_norm(spec):
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, depth=2, img_size=32)
    images = draw(3, 3, 32, 32)
    before = model(images)
    report = swap_norms(model, spec)
    logits = model(images)
    logits.square().mean().backward()
    names = [f"blocks.{block}.norm{index}" for block in (0, 1) for index in (1, 2)]
    assert [site.name for site in report.sites] == [*names, "norm"]
    assert {site.channels for site in report.sites} == {192}
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert torch.equal(logits, before) == (spec == "ln")


def test_our_model_has_a_norm_of_its_own_groups_at_each_site():
    model = nn.ModuleDict({"wide": nn.LayerNorm(192), "narrow": nn.LayerNorm(48), "again": nn.LayerNorm(48)})
    report = swap_norms(model, "gn")
    assert [site.groups for site in report.sites] == [32, 16, 16]
    assert report.summary() == (
        "gn:axis=frame,eps=1e-05,groups=auto: 3 of 3 norms replaced, 6 tensors carried, 0 fresh; "
        "32 groups at 1, 16 groups at 2"
    )
    assert "\n" not in report.summary()


def test_the_report_goes_into_json(create_model):
    report = swap_norms(create_model(), "cn:groups=4,axis=clip")
    record = json.loads(json.dumps(report.to_dict()))
    assert record["spec"] == str(NORMS.parse("cn:groups=4,axis=clip"))
    assert record["found"] == record["replaced"] == 4
    assert record["left"] == []
    assert record["sites"][0] == {
        "name": "0.norm1",
        "kind_from": "LayerNorm",
        "kind_to": "ContinualNorm",
        "channels": C,
        "axis": "clip",
        "carried": ["weight", "bias"],
        "fresh": [],
        "parameters": 2 * C,
        "groups": 4,
        "running": True,
        "settings_from": {"eps": 1e-6},
        "settings_to": {"eps": 1e-5, "momentum": 0.1},
    }


def test_weight_bias_mode_dtype_and_requires_grad_are_kept(create_model):
    model = create_model().double()
    model[0].eval()
    model[0].norm1.weight.requires_grad_(False)
    expected = model[0].norm1.weight.clone()
    swap_norms(model, "bn")
    site = model[0].norm1
    assert torch.equal(site.norm.weight, expected)
    assert site.norm.weight.dtype == site.norm.running_mean.dtype == torch.float64
    assert not site.norm.weight.requires_grad
    assert site.norm.bias.requires_grad
    assert not site.training
    assert not site.norm.training
    assert model[1].norm1.norm.training


def test_a_norm_lands_on_the_device_of_the_one_it_replaces(create_model):
    model = create_model().to("meta")
    swap_norms(model, "cn:groups=4")
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}


def test_parameters_without_a_counterpart_start_fresh():
    model = nn.Sequential(nn.RMSNorm(C), nn.LayerNorm(C, elementwise_affine=False), nn.LayerNorm(C, bias=False))
    model[0].weight.requires_grad_(False)
    report = swap_norms(model, "ln")
    assert [(site.carried, site.fresh) for site in report.sites] == [
        (("weight",), ("bias",)),
        ((), ("weight", "bias")),
        (("weight",), ("bias",)),
    ]
    assert not model[0].norm.bias.requires_grad
    assert model[1].norm.weight.requires_grad
    assert "3 of 3 norms replaced, 2 tensors carried, 4 fresh" in report.summary()


def test_both_affine_maps_of_prepbn_start_at_layer_norms():
    model = nn.Sequential(nn.LayerNorm(6))
    nn.init.normal_(model[0].weight)
    weight = model[0].weight.detach().clone()
    (site,) = swap_norms(model, "prepbn").sites
    assert torch.equal(model[0].norm.weight, weight)
    assert torch.equal(model[0].norm.layer_weight, weight)
    assert site.fresh == ("eta",)


def test_a_second_swap_replaces_the_inner_norm(create_model):
    model = create_model()
    swap_norms(model, "cn:groups=4,axis=clip")
    sites = [model[0].norm1, model[1].norm2]
    weight = sites[0].norm.weight.clone()
    report = swap_norms(model, "gn:groups=2,axis=token")
    assert [model[0].norm1, model[1].norm2] == sites
    assert (sites[0].axis, sites[0].norm.groups) == ("token", 2)
    assert torch.equal(sites[0].norm.weight, weight)
    assert not isinstance(sites[0].norm, NormSite)
    assert report.found == 4
    assert {site.kind_from for site in report.sites} == {"ContinualNorm"}


def test_a_shared_norm_is_swapped_once_and_stays_shared(create_model):
    model = create_model()
    model[1].norm1 = model[0].norm1
    report = swap_norms(model, "bn")
    assert model[1].norm1 is model[0].norm1
    assert isinstance(model[0].norm1, NormSite)
    assert [site.name for site in report.sites] == ["0.norm1", "0.norm2", "1.norm2"]


def test_a_shared_block_is_swapped_once(create_model):
    block = create_model()[0]
    report = swap_norms(nn.Sequential(block, block), "bn")
    assert report.found == 2
    assert isinstance(block.norm1.norm, type(build_norm("bn", C)))


def test_norms_over_rows_keep_working():
    model = nn.Sequential(nn.Linear(3, C), nn.BatchNorm1d(C), nn.GroupNorm(2, C))
    swap_norms(model, "bn")
    assert model(draw(5, 3)).shape == (5, C)


def test_channels_first_tokens_are_not_normalized_over_the_wrong_dimension():
    model = nn.Sequential(nn.BatchNorm1d(C))
    swap_norms(model, "ln")
    with pytest.raises(UserError, match=r"norm site '0'.*channels in dimension 1"):
        model(draw(5, C, C))


class OddNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))


class LayerNormGelu(nn.LayerNorm):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.act = nn.GELU()


class PreNorm(nn.Module):
    """A container, not a norm, though its name says so and it has a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(C))
        self.inner = nn.LayerNorm(C)


@pytest.mark.parametrize(
    "odd",
    [
        nn.BatchNorm3d(C),
        nn.LazyBatchNorm2d(),
        timm.layers.BatchNormAct2d(C),
        nn.InstanceNorm1d(C),
        nn.LayerNorm((4, C)),
        nn.LocalResponseNorm(2),
        OddNorm(),
        LayerNormGelu(C),
        timm.layers.LayerNorm2d(C),
    ],
    ids=lambda module: type(module).__name__,
)
def test_an_incomplete_swap_names_what_is_left_and_changes_nothing(odd):
    model = nn.Sequential(nn.LayerNorm(C), nn.ModuleDict({"stem": odd}))
    with pytest.raises(UserError, match=rf"incomplete swap: 1 norms .*1\.stem \({type(odd).__name__}[:)]"):
        swap_norms(model, "ln")
    assert isinstance(model[0], nn.LayerNorm)


def test_a_norm_that_cannot_be_built_everywhere_changes_nothing():
    model = nn.Sequential(nn.LayerNorm(C), nn.LayerNorm(6))
    with pytest.raises(UserError, match="norm site '1': gn: groups=4 does not divide 6 channels"):
        swap_norms(model, "gn:groups=4")
    assert isinstance(model[0], nn.LayerNorm)


def test_a_container_called_norm_is_not_left_over():
    model = PreNorm()
    assert swap_norms(model, "ln").found == 1


def test_a_bare_norm_cannot_be_replaced_in_place():
    with pytest.raises(UserError, match="the model itself"):
        swap_norms(nn.LayerNorm(C), "ln")


def test_a_model_without_norms_is_refused():
    with pytest.raises(UserError, match="no norm found"):
        swap_norms(nn.Sequential(nn.Linear(2, 2), nn.Identity()), "ln")


def test_a_model_that_expects_another_number_of_sites_is_refused(create_model):
    model = create_model()
    model.expected_norm_sites = 5
    with pytest.raises(UserError, match=r"incomplete swap: 4 norm sites found, 5 expected; found: 0.norm1"):
        swap_norms(model, "ln")
    model.expected_norm_sites = 4
    assert swap_norms(model, "ln").found == 4


def test_an_unknown_norm_is_refused_before_anything_is_touched(create_model):
    model = create_model()
    with pytest.raises(UserError, match="unknown norm 'cnn'"):
        swap_norms(model, "cnn")
    assert isinstance(model[0].norm1, nn.LayerNorm)


def test_swapping_draws_no_random_numbers(create_model):
    model = create_model()
    before = torch.get_rng_state()
    swap_norms(model, "cn:groups=4")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_report_says_where_running_statistics_start_anew(create_model):
    reports = {name: swap_norms(create_model(), name) for name in ("bn", "ln", "torch.nn.BatchNorm1d")}
    assert {name: {site.running for site in report.sites} for name, report in reports.items()} == {
        "bn": {True},
        "ln": {False},
        "torch.nn.BatchNorm1d": {True},
    }
