"""Pretrained weights in a backbone: equal to timm's own model, and all or nothing."""

import re

import pytest
import timm
import torch

from clnorm.errors import UserError
from clnorm.models.create import create_model, create_model_with_report
from clnorm.models.pretrained import load_pretrained
from clnorm.models.weights import Weights, read_weights
from clnorm.seeding import torch_generator

HALF = (0.5, 0.5, 0.5)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FILE = "vit_tiny_patch16_224.augreg_in21k_ft_in1k.fp16.safetensors"


def clips(*, size, frames=2, batch=1):
    return torch.rand(batch, frames, 3, size, size, generator=torch_generator(0, "test clips")) * 2 - 1


def timm_nano(*, size=32, num_classes=7, seed=0, **changes):
    """timm's Vision Transformer in the shape of `vit_nano`, with every tensor drawn, norms and biases too."""
    shape = {"patch_size": 8, "embed_dim": 96, "depth": 4, "num_heads": 3} | changes
    model = timm.models.vision_transformer.VisionTransformer(img_size=size, num_classes=num_classes, **shape).eval()
    generator = torch_generator(seed, "timm weights")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def as_weights(model, *, mean=HALF, std=HALF, drop=(), **changes):
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items() if name not in drop} | changes
    return Weights(tensors, mean, std, True, "test")


@torch.no_grad()
def frame_features(model, batch, *, mean=HALF, std=HALF):
    """timm's features of each frame, with the pixels normalized in front of it, averaged over time."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (mean, std))
    frames = ((batch * 0.5 + 0.5 - mean) / std).flatten(0, 1)
    features = model.forward_head(model.forward_features(frames), pre_logits=True)
    return features.unflatten(0, batch.shape[:2]).mean(1)


def nano(backbone="vit_nano", *, size=32, frames=2, classes=5, weights=None, norm="ln"):
    return create_model_with_report(
        f"{backbone}{',' if ':' in backbone else ':'}drop_path=0",
        norm=norm,
        num_classes=classes,
        image_size=size,
        num_frames=frames,
        seed=3,
        weights=weights,
    )


@pytest.mark.parametrize("size", [32, 16])
def test_the_bare_vit_equals_timms(size):
    source = timm_nano()
    model, _, report = nano(size=size, weights=as_weights(source))
    other = timm_nano(size=size)
    state = timm.models.vision_transformer.checkpoint_filter_fn(source.state_dict(), other)
    other.load_state_dict(state)
    batch = clips(size=size)
    torch.testing.assert_close(model.eval().forward_features(batch), frame_features(other, batch), atol=1e-5, rtol=1e-5)
    resized = () if size == 32 else (("pos_embed", (1, 17, 96), (1, 5, 96)),)
    assert report.resized == resized


def test_the_signed_variant_starts_as_the_bare_vit_and_the_other_one_with_its_scalars_at_zero():
    source, batch = timm_nano(), clips(size=32)
    expected = frame_features(source, batch)
    signed, _, _ = nano("lsvit_signed_nano", weights=as_weights(source))
    torch.testing.assert_close(signed.eval().forward_features(batch), expected, atol=1e-5, rtol=1e-5)
    plain, _, _ = nano("lsvit_nano", weights=as_weights(source))
    assert not torch.allclose(plain.eval().forward_features(batch), expected, atol=1e-3)
    with torch.no_grad():
        plain.smif.alpha.zero_()
        for block in plain.blocks:
            block.lmi.delta.zero_()
    torch.testing.assert_close(plain.forward_features(batch), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("mean", "std"), [(HALF, HALF), (MEAN, STD)])
def test_frames_and_their_motion_both_start_as_in_the_bare_vit(mean, std):
    """Motion frames are not clamped, so they do with weights of any mean and std."""
    source, batch = timm_nano(), clips(size=32, frames=4)
    weights = as_weights(source, mean=mean, std=std)
    model, _, report = nano("lsvit_signed_nano:smif=frames", frames=4, weights=weights)
    shown = batch[:, [1, 3]], batch[:, [1, 3]] - batch[:, [0, 2]]
    expected = torch.cat([frame_features(source, frames, mean=mean, std=std) for frames in shown], dim=1)
    torch.testing.assert_close(model.eval().forward_features(batch), expected, atol=1e-5, rtol=1e-5)
    assert set(report.kept) >= {"time_embed", "head.weight"}


def test_the_report_tells_loaded_kept_and_unused_apart():
    bare, _, none = nano("lsvit_signed_nano")
    model, swap, report = nano("lsvit_signed_nano", weights=as_weights(timm_nano()), norm="bn")
    assert none is None
    assert report.unused == ("head.weight", "head.bias")
    own = {name: tensor for name, tensor in bare.state_dict().items() if "smif" in name or "lmi" in name}
    before_swap = {name.replace(".norm.norm.", ".norm.") for name in own}
    assert set(report.kept) == before_swap | {"time_embed", "head.weight", "head.bias"}
    assert set(report.loaded).isdisjoint(report.kept)
    assert len(report.loaded) == len(timm_nano().state_dict()) - 2
    # The kept ones are what the seed gives without weights; the swap carried the pretrained affine maps.
    state = model.state_dict()
    assert all(torch.equal(state[name], own[name]) for name in own if ".norm." not in name)
    assert torch.equal(model.blocks[1].norm2.norm.weight, timm_nano().blocks[1].norm2.weight)
    assert next(site for site in swap.sites if site.name == "blocks.1.norm2").carried == ("weight", "bias")
    assert report.to_dict()["kept"] == list(report.kept)
    line = "test: 54 tensors loaded (0 resized), "
    assert report.summary().startswith(line)
    assert report.summary().endswith("2 unused; input mean 0.5/0.5/0.5, std 0.5/0.5/0.5, stated by the weights")


def test_an_assumed_input_is_said_to_be_so():
    weights = as_weights(timm_nano())
    _, _, report = nano(weights=Weights(weights.tensors, HALF, HALF, False, "test"))
    assert not report.to_dict()["stated"]
    assert report.summary().endswith("not stated by the weights")


def test_a_head_of_the_models_shape_is_loaded():
    source, batch = timm_nano(num_classes=5), clips(size=32, frames=1)
    model, _, report = nano(frames=1, weights=as_weights(source))
    assert (report.kept, report.unused) == ((), ())
    torch.testing.assert_close(model.eval()(batch), source(batch[:, 0]), atol=1e-5, rtol=1e-5)


def test_weights_without_a_head_leave_it_at_its_start():
    model, _, report = nano(weights=as_weights(timm_nano(num_classes=0)))
    assert (report.kept, report.unused) == (("head.weight", "head.bias"), ())
    assert not model.head.weight.any()


def test_another_input_is_folded_into_the_patches_exactly():
    source, batch = timm_nano(), clips(size=32)
    model, _, report = nano(weights=as_weights(source, mean=MEAN, std=STD))
    expected = frame_features(source, batch, mean=MEAN, std=STD)
    torch.testing.assert_close(model.eval().forward_features(batch), expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(expected, frame_features(source, batch), atol=1e-2)
    assert (report.mean, report.std) == (MEAN, STD)


@pytest.mark.parametrize("backbone", ["lsvit_nano", "lsvit_signed_nano"])
def test_the_clamp_of_smif_refuses_another_input(backbone):
    words = (
        r"clamps the model's input to \[-1, 1\], which would destroy about half .*legal: weights with mean = std = 0.5"
    )
    for mean, std in ((MEAN, STD), (HALF, STD), (MEAN, HALF)):
        with pytest.raises(UserError, match=words):
            nano(backbone, weights=as_weights(timm_nano(), mean=mean, std=std))


def bad_weights(kind):
    source = timm_nano()
    if kind == "resnet":
        state = timm.create_model("resnet10t").state_dict()
        return Weights({name: tensor.float() for name, tensor in state.items()}, HALF, HALF, True, "test")
    made = {
        "patch": {"patch_size": 16},
        "width": {"embed_dim": 48},
        "depth": {"depth": 5},
        "shallow": {"depth": 3},
        "registers": {"reg_tokens": 2},
    }
    if kind in made:
        return as_weights(timm_nano(**made[kind]))
    if kind == "missing":
        return as_weights(source, drop=("norm.weight", "blocks.2.attn.qkv.bias"))
    if kind == "unexpected":
        return as_weights(source, **{"fc_norm.weight": torch.ones(96)})
    return as_weights(source, pos_embed=torch.zeros(1, 15, 96))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "patch",
            r"shape \(1\): patch_embed.proj.weight is \(96, 3, 16, 16\), not \(96, 3, 8, 8\); probably another width",
        ),
        ("width", r"of another shape \(\d\d\): .* and \d\d more; probably another width or patch size;"),
        ("depth", r"unexpected \(12\): blocks.4.*and 7 more; probably another architecture or depth;"),
        ("shallow", r"missing \(12\): blocks.3.norm1.weight, .* and 7 more"),
        ("registers", r"pos_embed is \(1, 19, 96\), not \(1, 17, 96\); unexpected \(1\): reg_token; .*depth, width or"),
        ("resnet", r"missing \(54\): cls_token.* and 49 more; unexpected \(\d+\): conv1.*architecture or depth;"),
        ("missing", r"missing \(2\): blocks.2.attn.qkv.bias, norm.weight"),
        ("unexpected", r"unexpected \(1\): fc_norm.weight"),
        ("positions", r"pos_embed is \(1, 15, 96\), not \(1, 17, 96\)"),
    ],
)
def test_weights_that_do_not_fit_are_named_and_change_nothing(kind, words):
    bare = create_bare("lsvit_nano")
    start = {name: tensor.clone() for name, tensor in bare.state_dict().items()}
    weights = bad_weights(kind)
    given = dict(weights.tensors)
    with pytest.raises(UserError) as caught:
        load_pretrained(bare, weights)
    assert re.search(words, str(caught.value))
    assert "weights test: the weights do not fit the backbone" in str(caught.value)
    assert len(str(caught.value)) < 900
    assert all(torch.equal(bare.state_dict()[name], tensor) for name, tensor in start.items())
    assert weights.tensors == given


def create_bare(name):
    """A backbone before its norms are swapped."""
    from clnorm.catalogue import BACKBONES

    spec = BACKBONES.parse(name)
    return BACKBONES.get(name).load()(num_classes=5, image_size=32, num_frames=2, **spec.kwargs)


def read_timms(path, *, size):
    """timm's model with the weights of a file."""
    source = timm.create_model("vit_tiny_patch16_224", img_size=size).eval()
    state = timm.models.vision_transformer.checkpoint_filter_fn(dict(read_weights(path).tensors), source)
    source.load_state_dict(state)
    return source


@torch.no_grad()
def assert_equal_in_float64(model, expected, batch, *, atol=1e-10):
    """In float64, since twelve layers of real weights amplify float32's rounding, another on each processor."""
    found = model.double().eval().forward_features(batch.double())
    torch.testing.assert_close(found, expected, atol=atol, rtol=atol)


@pytest.mark.slow
@pytest.mark.parametrize("size", [224, 112])
def test_real_weights_give_timms_features(shared_data, size):
    file, batch = shared_data / "weights" / FILE, clips(size=size)
    source = read_timms(file, size=size)
    rounded = frame_features(source, batch)
    expected = frame_features(source.double(), batch.double())
    shape = {"num_classes": 4, "image_size": size, "num_frames": 2}
    for backbone in ("vit_tiny", "lsvit_signed_tiny", "lsvit_tiny"):
        model = create_model(backbone, weights=file, **shape).eval()
        if backbone == "lsvit_tiny":
            with torch.no_grad():
                model.smif.alpha.zero_()
                for block in model.blocks:
                    block.lmi.delta.zero_()
        with torch.no_grad():
            error = (model.forward_features(batch) - expected).norm()
        assert error < 2 * (rounded - expected).norm(), "in float32 it is as near as timm's"
        assert_equal_in_float64(model, expected, batch)


@pytest.mark.slow
def test_real_weights_give_timms_features_of_motion(shared_data):
    file, batch = shared_data / "weights" / FILE, clips(size=112).double()
    source = read_timms(file, size=112).double()
    shape = {"num_classes": 4, "image_size": 112, "num_frames": 2}
    model = create_model("lsvit_signed_tiny:smif=frames", weights=file, **shape)
    shown = batch[:, 1:], batch[:, 1:] - batch[:, :1]
    assert_equal_in_float64(model, torch.cat([frame_features(source, frames) for frames in shown], dim=1), batch)


@pytest.mark.slow
def test_real_weights_through_the_file_with_another_input(shared_data):
    file, batch = shared_data / "weights" / FILE, clips(size=32).double()
    shape = {"num_classes": 4, "image_size": 32, "num_frames": 2}
    with pytest.raises(UserError, match="clamps"):
        create_model("lsvit_tiny", weights=file, input="imagenet", **shape)
    model = create_model("vit_tiny", weights=file, input="imagenet", **shape)
    expected = frame_features(read_timms(file, size=32).double(), batch, mean=MEAN, std=STD)
    assert_equal_in_float64(model, expected, batch, atol=1e-5)  # the patches' new weights are float32
