"""What is known of the backbones: sizes, limits, symmetries, initial weights."""

import pytest
import torch
import torch.nn.functional as F

from clnorm import create_model
from clnorm.errors import UserError
from clnorm.execution.attention import set_attention
from clnorm.models.lsvit import lsvit_base, lsvit_small
from clnorm.models.motion import LMI, SMIF
from clnorm.models.vit import Attention, DropPath
from clnorm.seeding import torch_generator


def clips(batch=2, frames=6, size=16, seed=0):
    return torch.rand(batch, frames, 3, size, size, generator=torch_generator(seed, "test clips")) * 2 - 1


def nano(**changes):
    options = {"num_classes": 5, "image_size": 16, "num_frames": 6} | changes
    backbone = options.pop("backbone", "lsvit_nano")
    return create_model(f"{backbone}{',' if ':' in backbone else ':'}drop_path=0", **options)


@pytest.mark.parametrize(("width", "count"), [(768, 370_369), (384, 93_025), (192, 23_473)])
def test_lmi_has_the_published_number_of_parameters(width, count):
    assert sum(parameter.numel() for parameter in LMI(width).parameters()) == count


def test_smif_has_22_parameters():
    assert sum(parameter.numel() for parameter in SMIF().parameters()) == 22


@pytest.mark.parametrize(("build", "backbone"), [(lsvit_base, 85.8e6), (lsvit_small, 21.7e6)])
def test_without_motion_modules_the_sizes_are_those_of_vit(build, backbone):
    with torch.device("meta"):
        options = {"drop_path": 0.1, "drop_path_per": "clip", "dropout": 0.1, "ffn_bn": False}
        model = build(num_classes=51, image_size=224, num_frames=16, **options)
    extra = [model.smif, model.head, *(block.lmi for block in model.blocks)]
    count = sum(p.numel() for p in model.parameters()) - sum(p.numel() for module in extra for p in module.parameters())
    assert count == pytest.approx(backbone, rel=2e-3)


def with_a_head(model):
    """A head that tells features apart; as built it is zero."""
    torch.nn.init.normal_(model.head.weight, generator=torch_generator(0, "head"))
    return model.eval()


@torch.no_grad()
def test_without_motion_every_variant_is_the_plain_vit():
    plain = with_a_head(nano(backbone="vit_nano"))
    batch = clips()
    for backbone in ("lsvit_nano", "lsvit_signed_nano"):
        model = nano(backbone=backbone).eval()
        missing, unexpected = model.load_state_dict(plain.state_dict(), strict=False)
        assert not unexpected
        assert all("smif" in name or "lmi" in name or name == "time_embed" for name in missing)
        if backbone == "lsvit_nano":
            assert not torch.allclose(model(batch), plain(batch), atol=1e-3)
            model.smif.alpha.zero_()
            for block in model.blocks:
                block.lmi.delta.zero_()
        # lsvit_signed starts there.
        torch.testing.assert_close(model(batch), plain(batch), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("backbone", ["vit_nano", "lsvit_nano"])
def test_the_definition_is_blind_to_the_direction_of_time(backbone):
    model, batch = with_a_head(nano(backbone=backbone)), clips()
    torch.testing.assert_close(model(batch), model(batch.flip(1)), atol=1e-5, rtol=1e-5)
    # LS-ViT does see the order of frames otherwise.
    shuffled = model(batch[:, [0, 3, 1, 5, 2, 4]])
    assert torch.allclose(model(batch), shuffled, atol=1e-3) == (backbone == "vit_nano")


@torch.no_grad()
@pytest.mark.parametrize("part", ["smif", "lmi", "time_embed"])
def test_each_part_of_the_signed_variant_sees_the_direction_of_time(part):
    model, batch = with_a_head(nano(backbone="lsvit_signed_nano")), clips()
    torch.testing.assert_close(model(batch), model(batch.flip(1)), atol=1e-5, rtol=1e-5)
    if part == "smif":
        model.smif.alpha.fill_(1.0)
    elif part == "lmi":
        for block in model.blocks:
            block.lmi.delta.fill_(1.0)
    else:
        model.time_embed.normal_(generator=torch_generator(0, "time"))
    assert not torch.allclose(model(batch), model(batch.flip(1)), atol=1e-3)


def moving_dots(count, *, frames=8, size=16):
    """Clips (2n, T, 3, size, size) of a bright column that moves right, then the same ones backwards."""
    generator = torch_generator(0, "dots")
    starts = torch.randint(size, (count, 1), generator=generator)
    columns = (starts + torch.arange(frames)) % size
    noise = 0.1 * torch.randn(count, frames, 3, size, size, generator=generator)
    bright = torch.nn.functional.one_hot(columns, size)[:, :, None, None, :]
    right = (noise + bright - 0.5).clamp(-1, 1)
    return torch.cat([right, right.flip(1)]), torch.arange(2).repeat_interleave(count)


@torch.no_grad()
def test_motion_frames_see_the_direction_of_time_and_no_other_pair():
    model, batch = with_a_head(nano(backbone="lsvit_signed_nano:smif=frames")), clips()
    assert not torch.allclose(model(batch), model(batch.flip(1)), atol=1e-3)
    # At the start each pair counts alone: LMI and positions in time add nothing yet.
    torch.testing.assert_close(model(batch), model(batch[:, [4, 5, 0, 1, 2, 3]]), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(model(batch), model(batch[:, [0, 2, 1, 3, 4, 5]]), atol=1e-3)


def test_pixels_are_no_input():
    with pytest.raises(
        ValueError, match=r"clips are torch.uint8, not floats in \[-1, 1\], which are pixel value / 127"
    ):
        nano()(torch.zeros(1, 6, 3, 16, 16, dtype=torch.uint8))


@pytest.mark.parametrize("frames", [1, 5])
def test_motion_frames_of_an_odd_number_of_frames(frames):
    with pytest.raises(
        UserError, match=f"data.frames: smif=frames takes frames two by two, not {frames}; legal: an even number"
    ):
        nano(backbone="lsvit_signed_nano:smif=frames", num_frames=frames)


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "least", "most"), [("lsvit_nano", 0.5, 0.5), ("lsvit_signed_nano", 0.9, 1.0)])
def test_only_the_signed_variant_learns_the_direction_of_time(backbone, least, most):
    model = nano(backbone=backbone, num_classes=2, num_frames=8)
    batch, targets = moving_dots(48)
    train = torch.arange(len(batch)) % 48 < 24
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(model(batch[train]), targets[train]).backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model.eval()(batch[~train]).argmax(1) == targets[~train]).float().mean().item()
    assert least <= accuracy <= most


def test_drop_path_skips_a_block_for_a_clip_or_for_a_frame():
    branch = torch.ones(64, 8, 3, 5)
    for per_frame in (False, True):
        drop = DropPath(0.25, per_frame=per_frame).train()
        torch.manual_seed(0)
        kept = drop(branch)
        assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
        assert (kept == kept[:, :, :1, :1]).all()
        assert (kept == kept[:, :1]).all() != per_frame
        assert torch.equal(drop.eval()(branch), branch)
    for option, per_frame in (("clip", False), ("frame", True)):
        model = create_model(f"lsvit_nano:drop_path_per={option}", num_classes=2, image_size=16)
        assert {block.drop_path.per_frame for block in model.blocks} == {per_frame}


@pytest.mark.parametrize("fused", [True, False])
@torch.no_grad()
def test_dropout_is_drawn_in_training_alone(fused):
    for rate in (0.0, 0.3):
        model = with_a_head(create_model(f"lsvit_nano:drop_path=0,dropout={rate}", num_classes=5, image_size=16))
        set_attention(model, fused=fused)
        batch = clips(frames=16)
        assert torch.equal(model(batch), model(batch))
        model.train()
        assert torch.equal(model(batch), model(batch)) == (rate == 0)


def test_both_attention_kernels_give_the_same():
    attention = Attention(24, heads=3, dropout=0.0)
    tokens = torch.randn(2, 3, 5, 24, generator=torch_generator(0, "tokens"))
    fused = attention(tokens)
    attention.fused = False
    torch.testing.assert_close(attention(tokens), fused, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["ln", "bn", "gn", "cn"])
def test_a_single_frame_works(norm):
    model = nano(num_frames=1, norm=norm)
    assert model(clips(frames=1)).shape == (2, 5)


def test_wrong_sizes_are_named():
    with pytest.raises(UserError, match=r"data\.image_size: 20 is no multiple of the backbone's patch size 8"):
        nano(image_size=20)
    with pytest.raises(ValueError, match=r"not \(B, 6, 3, 16, 16\)"):
        nano()(clips(frames=5))


def test_every_norm_starts_from_the_same_weights_and_the_global_generator_is_left_alone():
    before = torch.random.get_rng_state()
    states = {norm: nano(norm=norm, seed=4).state_dict() for norm in ("ln", "bn", "gn", "cn")}
    assert torch.equal(before, torch.random.get_rng_state())
    drawn = [name for name in states["ln"] if "norm" not in name]
    assert len(drawn) > 50
    for norm in ("bn", "gn", "cn"):
        assert all(torch.equal(states["ln"][name], states[norm][name]) for name in drawn)
    assert not torch.equal(
        nano(seed=5).state_dict()["patch_embed.proj.weight"], states["ln"]["patch_embed.proj.weight"]
    )


def list_silent(model):
    """The parameters that get no gradient in training."""
    model = with_a_head(model).train()
    with torch.no_grad():  # where signed scalars are zero, the modules behind them get no gradient yet
        for name, parameter in model.named_parameters():
            if name.endswith(("alpha", "delta")):
                parameter.fill_(0.3)
    F.cross_entropy(model(clips()), torch.tensor([0, 1])).backward()
    return [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


@pytest.mark.parametrize("norm", ["ln", "bn", "gn", "cn", "cn:axis=token", "gn:axis=clip"])
@pytest.mark.parametrize("backbone", ["vit_nano", "lsvit_nano", "lsvit_signed_nano", "lsvit_signed_nano:smif=frames"])
def test_gradients_reach_every_parameter(backbone, norm):
    assert list_silent(nano(backbone=backbone, norm=norm)) == []


@pytest.mark.parametrize("backbone", ["vit_nano", "lsvit_nano", "lsvit_signed_nano"])
def test_with_ffn_bn_gradients_reach_every_parameter_too(backbone):
    model = create_model(f"{backbone}:drop_path=0,ffn_bn=true", num_classes=5, image_size=16, num_frames=6, norm="bn")
    assert sum(".mlp.bn." in name for name, _ in model.named_parameters()) == 8
    assert list_silent(model) == []
