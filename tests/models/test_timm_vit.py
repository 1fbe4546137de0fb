"""timm's Vision Transformers as backbones."""

import copy

import pytest
import timm
import torch

import clnorm
from clnorm.errors import UserError
from clnorm.models.create import create_model_with_report
from clnorm.models.weights import Weights
from clnorm.seeding import torch_generator

HALF = (0.5, 0.5, 0.5)
MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)
TINY = "vit_tiny_patch16_224"


def clips(*, size=32, frames=2):
    return torch.rand(2, frames, 3, size, size, generator=torch_generator(0, "test clips")) * 2 - 1


def create(name=TINY, *, norm="ln", weights=None, seed=0, size=32):
    return create_model_with_report(
        f"timm:{name}", norm=norm, num_classes=5, image_size=size, num_frames=2, seed=seed, weights=weights
    )


@pytest.fixture
def small(monkeypatch):
    """Makes timm build its models two blocks deep, which keeps the tests short."""
    build = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **options: build(name, **{"depth": 2, **options}))


def drawn(name, *, size=32):
    model = timm.create_model(name, img_size=size, num_classes=3).eval()
    generator = torch_generator(1, "timm weights")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


@torch.no_grad()
def frame_features(model, batch, *, mean=HALF, std=HALF):
    mean, std = (torch.tensor(values)[:, None, None] for values in (mean, std))
    frames = ((batch * 0.5 + 0.5 - mean) / std).flatten(0, 1)
    features = model.forward_head(model.forward_features(frames), pre_logits=True)
    return features.unflatten(0, batch.shape[:2]).mean(1)


# A class token; averaged patches with a norm after them; a norm before the blocks and no bias of the patches (CLIP);
# registers without a position, and layer scale; attention pooling and no class token.
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        TINY,
        "vit_betwixt_patch16_reg4_gap_256",
        "vit_base_patch16_clip_224",
        "vit_small_patch14_reg4_dinov2",
        "vit_base_patch16_siglip_224",
    ],
)
@pytest.mark.parametrize(("mean", "std"), [(HALF, HALF), (MEAN, STD)])
def test_weights_of_timms_own_model_give_its_features(small, name, mean, std):
    size = 28 if "14" in name else 32
    source = drawn(name, size=size)
    weights = Weights(source.state_dict(), mean, std, True, "test")
    model, swap, report = create(name, norm=f"ln:eps={source.blocks[0].norm1.eps}", weights=weights, size=size)
    batch = clips(size=size)
    with torch.no_grad():
        features = model.eval().forward_features(batch)
    torch.testing.assert_close(features, frame_features(source, batch, mean=mean, std=std), atol=2e-5, rtol=1e-4)
    assert set(report.kept) <= {"head.weight", "head.bias", "patch_embed.proj.bias"}
    assert sum(isinstance(module, torch.nn.LayerNorm) for module in source.modules()) == swap.replaced
    assert not any(isinstance(module, torch.nn.LayerNorm) for module in model.modules())


@pytest.mark.slow
def test_positions_are_resized_as_timm_does(small):
    for name, size in ((TINY, 48), ("vit_small_patch14_reg4_dinov2", 42)):
        source, target = drawn(name, size=size), drawn(name, size=size // 3 * 2)
        target.load_state_dict(timm.models.vision_transformer.checkpoint_filter_fn(source.state_dict(), target))
        weights = Weights(source.state_dict(), HALF, HALF, True, "test")
        model, _, report = create(name, weights=weights, size=size // 3 * 2)
        assert [row[0] for row in report.resized] == ["pos_embed"]
        assert torch.equal(model.pos_embed, target.pos_embed)


def test_weights_depend_on_the_seed_alone(small):
    before = torch.random.get_rng_state()
    states = {}
    for norm in ("ln", "cn"):
        torch.rand(3)
        states[norm] = create(norm=norm, seed=4)[0].state_dict()
    torch.random.set_rng_state(before)
    other = create(seed=5)[0].state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    names = [name for name in other if "norm" not in name]
    assert all(torch.equal(states["ln"][name], states["cn"][name]) for name in names)
    weights = [name for name in names if name.endswith("weight") and not name.startswith("head")]
    assert weights
    assert not any(torch.equal(states["ln"][name], other[name]) for name in [*weights, "pos_embed"])
    assert not states["ln"]["head.weight"].any()


@pytest.mark.slow
def test_a_projection_without_bias_gets_one_of_zero(small):
    model, _, _ = create("vit_base_patch16_clip_224")
    assert model.patch_embed.proj.bias.shape == (768,)
    assert not model.patch_embed.proj.bias.any()


@pytest.mark.parametrize("norm", ["bn", "gn", "cn", "cn:axis=token"])
def test_norms_are_swapped_and_gradients_reach_every_parameter(small, norm):
    model, swap, _ = create(norm=norm)
    assert swap.replaced == 5
    with torch.no_grad():
        model.head.weight.normal_(generator=torch_generator(0, "head"))
    torch.nn.functional.cross_entropy(model(clips()), torch.tensor([0, 1])).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_an_axis_over_the_clip_is_refused_by_the_site(small):
    model, _, _ = create(norm="cn:axis=clip")
    with pytest.raises(UserError, match=r"norm site 'blocks.0.norm1': axis=clip with an input of shape \(4, 5, 192\)"):
        model(clips())


def test_stochastic_depth_is_the_option(small):
    model = clnorm.create_model(f"timm:{TINY}:drop_path=0.4", num_classes=2, image_size=32, num_frames=2)
    assert [getattr(block.drop_path1, "drop_prob", 0.0) for block in model.blocks] == pytest.approx([0.0, 0.4])


def test_fused_and_explicit_attention_agree(small):
    model, _, _ = create()
    fused = model.eval().forward_features(clips())
    for block in model.blocks:
        assert block.attn.fused_attn
        block.attn.fused_attn = False
    torch.testing.assert_close(model.forward_features(clips()), fused, atol=1e-5, rtol=1e-5)


def test_a_copy_is_of_its_own(small):
    model, _, _ = create(norm="bn")
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    expected = create(norm="bn")[0].state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in other.state_dict().items())
    assert other.eval()(clips()).shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vit_tiny_patch16_225", "nearest: vit_tiny_patch16_224, "),
        ("resnet18", "timm has no plain VisionTransformer 'resnet18'; legal: timm:NAME, nearest: "),
        ("deit_tiny_distilled_patch16_224", "nearest: deit_tiny_patch16_224"),
        ("vit_tiny_r_s16_p8_224", "no plain VisionTransformer 'vit_tiny_r_s16_p8_224'"),
        ("vit_tiny_patch16_224.augreg_in21", "did you mean 'vit_tiny_patch16_224.augreg_in21k'?"),
    ],
)
def test_other_models_are_refused_with_the_nearest_names(name, words):
    with pytest.raises(UserError) as caught:
        create(name)
    assert words in str(caught.value)


def test_wrong_sizes_are_named(small):
    with pytest.raises(UserError, match=r"data\.image_size: 40 is no multiple of the patch size 16 .*legal: 32, 48"):
        create(size=40)
    with pytest.raises(UserError, match=r"8 is no multiple of the patch size 16 .*legal: 16, 32, "):
        create(size=8)
    with pytest.raises(ValueError, match=r"not \(B, 2, 3, 32, 32\)"):
        create()[0](clips(frames=3))
