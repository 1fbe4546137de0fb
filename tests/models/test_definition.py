"""The backbones against their written definitions, term by term and frame by frame."""

import math

import pytest
import torch
import torch.nn.functional as F

from clnorm import create_model
from clnorm.models.motion import LMI, SMIF
from clnorm.models.signed import MotionFrames, SignedLMI, SignedSMIF
from clnorm.seeding import torch_generator


def clips(*, batch=2, frames=6, size=16):
    return torch.rand(batch, frames, 3, size, size, generator=torch_generator(0, "test clips")) * 2 - 1


def neighbour(video, t, offset):
    """v_{t+offset}, or v_t where that is out of range."""
    return video[t + offset] if 0 <= t + offset < len(video) else video[t]


def slow_smif(video, weights, *, reach=2, threshold=0.05):
    """SMIF of one clip (T, 3, H, W)."""
    weight, bias = weights["fuse.weight"][:, :, 0, 0], weights["fuse.bias"]
    frames = []
    for t, frame in enumerate(video):
        motion = torch.zeros_like(frame)
        for offset in range(1, reach + 1):
            motion += (neighbour(video, t, offset) - frame).abs() + (frame - neighbour(video, t, -offset)).abs()
        motion /= reach
        motion = torch.where(motion > threshold, motion, 0.0)
        mixed = torch.einsum("oc,chw->ohw", weight, torch.cat([frame, motion])) + bias[:, None, None]
        frames.append((frame + torch.tanh(weights["alpha"]) * mixed).clamp(-1, 1))
    return torch.stack(frames)


def slow_signed_smif(video, weights, *, reach=2):
    """The signed SMIF of one clip (T, 3, H, W)."""
    weight, bias = weights["fuse.weight"][:, :, 0, 0], weights["fuse.bias"]
    frames = []
    for t, frame in enumerate(video):
        differences = []
        for offset in range(1, reach + 1):
            differences += [neighbour(video, t, offset) - frame, frame - neighbour(video, t, -offset)]
        mixed = torch.einsum("oc,chw->ohw", weight, torch.cat(differences)) + bias[:, None, None]
        frames.append((frame + torch.tanh(weights["alpha"]) * mixed).clamp(-1, 1))
    return torch.stack(frames)


def slow_differences(q, t):
    """f_t and b_t of the reduced tokens q (T, N, C')."""
    last = len(q) - 1
    if last == 0:
        return torch.zeros_like(q[0]), torch.zeros_like(q[0])
    forward = q[t + 1] - q[t] if t < last else q[last] - q[last - 1]
    backward = q[t - 1] - q[t] if t > 0 else q[0] - q[1]
    return forward, backward


def slow_hidden(motion, weights):
    normed = F.layer_norm(motion, motion.shape, weights["norm.weight"], weights["norm.bias"], 1e-6)
    return F.linear(
        F.gelu(F.linear(normed, weights["mlp.0.weight"], weights["mlp.0.bias"])),
        weights["mlp.2.weight"],
        weights["mlp.2.bias"],
    )


def slow_lmi(tokens, weights):
    """LMI of one clip's tokens (T, N, C)."""
    q = tokens @ weights["reduce.weight"].T + weights["reduce.bias"]
    outputs = []
    for t, frame in enumerate(tokens):
        forward, backward = slow_differences(q, t)
        gate = torch.sigmoid(slow_hidden((forward.abs() + backward.abs()).mean(0), weights))
        gate = weights["expand.weight"] @ gate + weights["expand.bias"]
        outputs.append(frame + torch.tanh(weights["delta"]) * frame * gate)
    return torch.stack(outputs)


def slow_signed_lmi(tokens, weights):
    """The signed LMI of one clip's tokens (T, N, C)."""
    q = tokens @ weights["reduce.weight"].T + weights["reduce.bias"]
    outputs = []
    for t, frame in enumerate(tokens):
        motion = torch.cat([difference.mean(0) for difference in slow_differences(q, t)])
        gate = weights["expand.weight"] @ slow_hidden(motion, weights) + weights["expand.bias"]
        outputs.append(frame + torch.tanh(weights["delta"]) * frame * (torch.sigmoid(gate) - 0.5))
    return torch.stack(outputs)


def slow_motion_frames(video, weights):
    """What one clip (T, 3, H, W) shows with `smif=frames`."""
    shown = [video[t] for t in range(1, len(video), 2)]
    return torch.stack(shown + [video[t] - video[t - 1] for t in range(1, len(video), 2)])


def slow_signed_lmi_by_halves(tokens, weights):
    return torch.cat([slow_signed_lmi(half, weights) for half in tokens.chunk(2)])


def slow_attention(tokens, weights, *, heads):
    """Attention among the tokens (N, C) of one frame, one head at a time."""
    width = tokens.shape[1] // heads
    qkv = (tokens @ weights["qkv.weight"].T + weights["qkv.bias"]).view(-1, 3, heads, width)
    mixed = []
    for head in range(heads):
        query, key, value = qkv[:, 0, head], qkv[:, 1, head], qkv[:, 2, head]
        mixed.append(torch.softmax(query @ key.T / math.sqrt(width), dim=1) @ value)
    return torch.cat(mixed, 1) @ weights["proj.weight"].T + weights["proj.bias"]


def part(weights, prefix):
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def slow_model(video, weights, *, smif, lmi, streams, patch=8, heads=3):
    """The logits of one clip (T, 3, H, W)."""

    def norm(x, name):
        inner = f"{name}.norm."
        return F.layer_norm(x, x.shape[-1:], weights[f"{inner}weight"], weights[f"{inner}bias"], 1e-6)

    frames = []
    for frame in smif(video, part(weights, "smif.")):
        rows, columns = frame.shape[1] // patch, frame.shape[2] // patch
        tokens = [weights["cls_token"][0, 0]]
        for row in range(rows):
            for column in range(columns):
                piece = frame[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
                kernel = weights["patch_embed.proj.weight"]
                tokens.append((kernel * piece).sum((1, 2, 3)) + weights["patch_embed.proj.bias"])
        frames.append(torch.stack(tokens) + weights["pos_embed"][0])
    x = torch.stack(frames)  # (T, N, C)
    if "time_embed" in weights:
        x = x + weights["time_embed"][0]
    for index in range(4):
        block = f"blocks.{index}."
        attention, mlp = part(weights, f"{block}attn."), part(weights, f"{block}mlp.")
        normed = norm(x, f"{block}norm1")
        x = x + torch.stack([slow_attention(tokens, attention, heads=heads) for tokens in normed])
        hidden = F.linear(norm(x, f"{block}norm2"), mlp["fc1.weight"], mlp["fc1.bias"])
        if "bn.weight" in mlp:
            spread = torch.sqrt(mlp["bn.running_var"] + 1e-5)
            hidden = (hidden - mlp["bn.running_mean"]) / spread * mlp["bn.weight"] + mlp["bn.bias"]
        x = x + F.linear(F.gelu(hidden), mlp["fc2.weight"], mlp["fc2.bias"])
        within = part(weights, f"{block}lmi.")
        x = lmi(x, {name.replace("norm.norm.", "norm."): value for name, value in within.items()})
    feature = torch.cat([half[:, 0].mean(0) for half in norm(x, "norm").chunk(streams)])
    return weights["head.weight"] @ feature + weights["head.bias"]


@pytest.mark.parametrize("frames", [1, 2, 3, 6])
@pytest.mark.parametrize(("module", "slow"), [(SMIF, slow_smif), (SignedSMIF, slow_signed_smif)])
def test_smif_follows_its_equation(module, slow, frames):
    smif, batch = module(), clips(frames=frames)
    torch.nn.init.constant_(smif.alpha, 0.4)
    with torch.no_grad():
        expected = torch.stack([slow(video, smif.state_dict()) for video in batch])
    assert (expected.abs() == 1).any()  # the clamp is at work
    torch.testing.assert_close(smif(batch), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize(("module", "slow"), [(LMI, slow_lmi), (SignedLMI, slow_signed_lmi)])
def test_lmi_follows_its_equation(module, slow, frames):
    lmi = module(24)
    torch.nn.init.constant_(lmi.delta, 0.7)
    batch = torch.randn(2, frames, 4, 24, generator=torch_generator(0, "tokens"))
    with torch.no_grad():
        expected = torch.stack([slow(tokens, lmi.state_dict()) for tokens in batch])
    torch.testing.assert_close(lmi(batch), expected, atol=1e-5, rtol=1e-5)


def test_of_each_two_frames_the_later_one_and_the_difference_are_shown():
    levels = torch.tensor([0.1, 0.4, -1.0, 1.0, 0.3, 0.3])
    shown = MotionFrames()(levels[None, :, None, None, None].expand(1, 6, 3, 2, 2))
    expected = torch.tensor([0.4, 1.0, 0.3, 0.3, 2.0, 0.0])
    torch.testing.assert_close(shown, expected[None, :, None, None, None].expand(1, 6, 3, 2, 2))


VARIANTS = {
    "vit_nano": (lambda video, weights: video, lambda tokens, weights: tokens, 1),
    "lsvit_nano": (slow_smif, slow_lmi, 1),
    "lsvit_signed_nano": (slow_signed_smif, slow_signed_lmi, 1),
    "lsvit_signed_nano:smif=frames": (slow_motion_frames, slow_signed_lmi_by_halves, 2),
}


@pytest.mark.parametrize("ffn_bn", ["false", "true"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_whole_model_follows_the_definition(variant, ffn_bn):
    smif, lmi, streams = VARIANTS[variant]
    frames = 3 * streams
    spec = f"{variant}{',' if ':' in variant else ':'}drop_path=0,ffn_bn={ffn_bn}"
    model = create_model(spec, num_classes=5, image_size=16, num_frames=frames)
    generator = torch_generator(0, "all weights")
    with torch.no_grad():
        model.train()(clips(frames=frames))  # moves running statistics, where there are any
        model.eval()
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
        batch, weights = clips(frames=frames), model.state_dict()
        slow = [slow_model(video, weights, smif=smif, lmi=lmi, streams=streams) for video in batch]
        expected = torch.stack(slow)
        torch.testing.assert_close(model(batch), expected, atol=1e-5 * expected.abs().max().item(), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("module", [SMIF, SignedSMIF])
def test_the_gradient_of_smif_is_that_of_its_forward_pass(module):
    smif = module().double()
    torch.nn.init.constant_(smif.alpha, 0.7)
    batch = clips(batch=1, frames=3, size=5).double().requires_grad_()
    names, values = zip(*smif.named_parameters(), strict=True)

    def compute(video, *parameters):
        return torch.func.functional_call(smif, dict(zip(names, parameters, strict=True)), (video,))

    assert (compute(batch, *values).abs() == 1).any()  # the clamp, too
    assert torch.autograd.gradcheck(compute, (batch, *values))


@pytest.mark.parametrize("module", [SMIF, SignedSMIF])
def test_smif_computes_in_float32_under_autocast(module):
    smif, batch = module(), clips()
    torch.nn.init.constant_(smif.alpha, 0.7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = smif(batch)
    assert out.dtype == torch.float32
    assert torch.equal(out, smif(batch))
