"""A built-in builds by hand as it does by name: its signature carries the catalogue's names and defaults."""

import pytest
import torch
from torch import nn

import clnorm.models
import clnorm.norms
from clnorm.catalogue import BACKBONES, NORMS, REGISTRIES
from clnorm.catalogue.plugins import read_options
from clnorm.errors import UserError
from clnorm.models.create import create_model
from clnorm.norms.sites.build import layer_options

BUILT_INS = [
    pytest.param(registry, name, id=f"{registry.plural} {name}")
    for registry in REGISTRIES.values()
    for name in registry.names()
    if str(registry.get(name).target).startswith("clnorm.")
]
SIZES = {"num_classes": 5, "image_size": 16, "num_frames": 4}


@pytest.mark.parametrize(("registry", "name"), BUILT_INS)
def test_catalogue_and_signature_say_the_same(registry, name):
    required = [key for key, option in registry.get(name).options.items() if option.default is None]
    given = f"{name}:{','.join(f'{key}=given' for key in required)}" if required else name
    spec, built_in = registry.parse(given), registry.get(name).load()
    named = layer_options(spec) if registry is NORMS else spec.kwargs
    named = {key: value for key, value in named.items() if key not in required}
    found = {option: read.default for option, read in read_options(built_in, registry._given).items()}
    settled = getattr(built_in, "keywords", {})  # those of a partial are no options, unless the catalogue has them
    by_hand = {
        option: default
        for option, default in found.items()
        if default is not None and (option in named or option not in settled)
    }
    assert by_hand == named
    assert {option: type(default) for option, default in by_hand.items()} == {
        option: type(default) for option, default in named.items()
    }


def test_every_norm_is_a_public_name_and_builds_by_hand():
    classes = {entry.load() for entry in map(NORMS.get, NORMS.names()) if str(entry.target).startswith("clnorm.")}
    assert len(classes) >= 17
    for norm in classes:
        assert norm.__name__ in clnorm.norms.__all__
        assert getattr(clnorm.norms, norm.__name__) is norm
        assert norm(64).num_channels == 64
    assert clnorm.norms.ContinualNorm(64).groups == 32
    assert clnorm.norms.ContinualNorm(48, groups="auto").groups == 16
    assert clnorm.norms.GroupNorm(64, groups=4).groups == 4


def test_every_backbone_is_a_public_name_and_builds_by_hand_as_by_name():
    for name in BACKBONES.names():
        if ":" not in name:
            assert getattr(clnorm.models, name) is BACKBONES.get(name).load()
    by_hand = {
        "lsvit_nano": clnorm.models.lsvit_nano(**SIZES),
        "lsvit_signed_nano:smif=frames": clnorm.models.lsvit_signed_nano(**SIZES, smif="frames"),
        "timm:test_vit": clnorm.models.TimmViT("test_vit", **SIZES),
    }
    for name, model in by_hand.items():
        twin = create_model(name, **SIZES)
        for part in (model, twin):
            part.init_weights(torch.Generator().manual_seed(0))
        twin = {key.replace(".norm.norm", ".norm"): value for key, value in twin.state_dict().items()}
        assert sorted(value.sum().item() for value in model.state_dict().values()) == sorted(
            value.sum().item() for value in twin.values()
        )
        assert model(torch.zeros(2, 4, 3, 16, 16)).shape == (2, 5)


def test_weights_of_a_backbone_built_by_hand_are_drawn_from_the_global_generator():
    drawn = []
    with torch.random.fork_rng(devices=[]):
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            drawn.append(clnorm.models.lsvit_nano(**SIZES).state_dict())
    first, second, other = drawn
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    for name in ("cls_token", "pos_embed", "blocks.0.attn.qkv.weight"):
        assert not torch.equal(first[name], other[name])
    width = 96
    assert first["blocks.0.attn.qkv.weight"].abs().max() <= (6 / (4 * width)) ** 0.5  # Xavier, not torch's own
    assert not first["head.weight"].any()


def test_a_variant_that_there_is_not_is_named():
    sizes = {"width": 96, "depth": 1, "heads": 3, "patch_size": 8}
    for variant, smif in (("lsvit", "frames"), ("swin", "pixels")):
        with pytest.raises(UserError, match=f"there is no '{variant}' with smif={smif}.*lsvit_signed with smif=frames"):
            clnorm.models.VideoViT(variant, smif=smif, **sizes, **SIZES)
    assert isinstance(clnorm.models.VideoViT("lsvit", **sizes, **SIZES), nn.Module)
