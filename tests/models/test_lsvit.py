"""LS-ViT against its written definition, term by term and frame by frame."""

import math

import pytest
import torch
import torch.nn.functional as F

from clnorm import create_model
from clnorm.errors import UserError
from clnorm.models.lsvit import lsvit_base, lsvit_small
from clnorm.models.motion import LMI, SMIF
from clnorm.seeding import torch_generator


def clips(batch=2, frames=6, size=16, seed=0):
    return torch.rand(batch, frames, 3, size, size, generator=torch_generator(seed, "test clips")) * 2 - 1


def nano(**changes):
    options = {"num_classes": 5, "image_size": 16, "num_frames": 6} | changes
    return create_model("lsvit_nano:drop_path=0", **options)


def slow_motion(video, *, reach=2, threshold=0.05):
    """SMIF's motion map from its equation, for one clip; a neighbour out of range is the frame itself."""
    frames = len(video)
    result = torch.zeros_like(video)
    for t in range(frames):
        for offset in range(1, reach + 1):
            after = video[t + offset] if t + offset < frames else video[t]
            before = video[t - offset] if t - offset >= 0 else video[t]
            result[t] += (after - video[t]).abs() + (video[t] - before).abs()
    result /= reach
    return torch.where(result > threshold, result, 0.0)


@pytest.mark.parametrize("frames", [1, 2, 3, 6])
def test_smif_follows_its_equation(frames):
    smif, batch = SMIF(), clips(frames=frames)
    weight, bias = smif.fuse.weight[:, :, 0, 0], smif.fuse.bias
    for video, fused in zip(batch, smif(batch), strict=True):
        motion = slow_motion(video)
        mixed = torch.einsum("oc,tchw->tohw", weight, torch.cat([video, motion], 1)) + bias[:, None, None]
        torch.testing.assert_close(fused, (video + math.tanh(0.5) * mixed).clamp(-1, 1), atol=1e-5, rtol=1e-5)


def slow_lmi(lmi, tokens):
    """LMI from its equation, for one clip of tokens (T, N, C)."""
    q = tokens @ lmi.reduce.weight.T + lmi.reduce.bias
    frames = len(q)
    outputs = []
    for t in range(frames):
        if frames == 1:
            forward = backward = torch.zeros_like(q[0])
        else:
            forward = q[t + 1] - q[t] if t + 1 < frames else q[t] - q[t - 1]
            backward = q[t - 1] - q[t] if t > 0 else q[0] - q[1]
        motion = (forward.abs() + backward.abs()).mean(0)
        normed = F.layer_norm(motion, motion.shape, lmi.norm.weight, lmi.norm.bias, 1e-6)
        hidden = F.gelu(F.linear(normed, lmi.mlp[0].weight, lmi.mlp[0].bias))
        gate = torch.sigmoid(F.linear(hidden, lmi.mlp[2].weight, lmi.mlp[2].bias))
        gain = gate @ lmi.expand.weight.T + lmi.expand.bias
        outputs.append(tokens[t] + torch.tanh(lmi.delta) * tokens[t] * gain)
    return torch.stack(outputs)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_lmi_follows_its_equation(frames):
    lmi = LMI(24)
    batch = torch.randn(2, frames, 4, 24, generator=torch_generator(0, "tokens"))
    expected = torch.stack([slow_lmi(lmi, tokens) for tokens in batch])
    torch.testing.assert_close(lmi(batch), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("width", "count"), [(768, 370_369), (384, 93_025), (192, 23_473)])
def test_lmi_has_the_published_number_of_parameters(width, count):
    assert sum(parameter.numel() for parameter in LMI(width).parameters()) == count


def test_smif_has_22_parameters():
    assert sum(parameter.numel() for parameter in SMIF().parameters()) == 22


@pytest.mark.parametrize(("build", "backbone"), [(lsvit_base, 85.8e6), (lsvit_small, 21.7e6)])
def test_without_motion_modules_the_sizes_are_those_of_vit(build, backbone):
    with torch.device("meta"):
        model = build(num_classes=51, image_size=224, num_frames=16, drop_path=0.1, drop_path_per="clip", dropout=0.1)
    extra = [model.smif, model.head, *(block.lmi for block in model.blocks)]
    count = sum(p.numel() for p in model.parameters()) - sum(p.numel() for module in extra for p in module.parameters())
    assert count == pytest.approx(backbone, rel=2e-3)


def test_with_both_scalars_at_zero_the_motion_modules_do_nothing():
    model = nano().eval()
    batch = clips()
    with torch.no_grad():
        torch.nn.init.normal_(model.head.weight)
        model.smif.alpha.zero_()
        for block in model.blocks:
            block.lmi.delta.zero_()
        expected = model(batch)
        for block in model.blocks:
            block.lmi = torch.nn.Identity()
        model.smif = torch.nn.Identity()
        torch.testing.assert_close(model(batch), expected, atol=1e-5, rtol=1e-5)


def test_the_definition_is_blind_to_the_direction_of_time():
    model = nano().eval()
    with torch.no_grad():
        torch.nn.init.normal_(model.head.weight)
        batch = clips()
        torch.testing.assert_close(model(batch), model(batch.flip(1)), atol=1e-5, rtol=1e-5)
        # It does see the order of frames otherwise.
        assert not torch.allclose(model(batch), model(batch[:, [0, 3, 1, 5, 2, 4]]), atol=1e-3)


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


@pytest.mark.parametrize("norm", ["ln", "bn", "gn", "cn", "cn:axis=token", "gn:axis=clip"])
def test_gradients_reach_every_parameter(norm):
    model = nano(norm=norm)
    with torch.no_grad():
        model.head.weight.normal_(generator=torch_generator(0, "head"))
    F.cross_entropy(model(clips()), torch.tensor([0, 1])).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []
