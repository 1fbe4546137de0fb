"""The backward passes of the motion modules that are written out: equal to autograd's, at every number of frames."""

import pytest
import torch
import torch.nn.functional as F

from clnorm.errors import UserError
from clnorm.models import lsvit_nano, lsvit_signed_nano
from clnorm.models.motion import LMI, SMIF
from clnorm.models.signed import MotionFrames, SignedLMI, SignedSMIF

FRAMES = [1, 2, 3, 5, 6]


def draw(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def plain_smif(module, clips):
    motion = module.motion(clips)
    seen = motion if isinstance(module, SignedSMIF) else torch.cat([clips, motion], dim=2)
    mixed = F.conv2d(seen.flatten(0, 1), module.fuse.weight, module.fuse.bias).view_as(clips)
    return (clips + torch.tanh(module.alpha) * mixed).clamp(-1, 1)


def plain_gate(module, tokens, monkeypatch):
    """LMI with the product x * (1 + gain) left to autograd."""
    where = "clnorm.models.signed" if isinstance(module, SignedLMI) else "clnorm.models.motion"
    with monkeypatch.context() as patch:
        patch.setattr(f"{where}.scale_tokens", lambda x, factor, gain: x * (1 + gain))
        return module(tokens)


def gradients(module, output, weights, x):
    wanted = [*module.parameters(), *([x] if x.requires_grad else [])]
    return torch.autograd.grad((output * weights).sum(), wanted, allow_unused=True)


def assert_alike(ours, plain):
    for own, other in zip(ours, plain, strict=True):
        zero = torch.zeros(())
        torch.testing.assert_close(
            zero if own is None else own, (zero if own is None else torch.zeros_like(own)) if other is None else other
        )


@pytest.mark.parametrize("needs_input", [True, False])
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("build", [SMIF, SignedSMIF], ids=lambda build: build.__name__)
def test_the_gradients_of_smif_are_autograds(build, frames, needs_input):
    module = build().double()
    with torch.no_grad():
        module.alpha.fill_(0.7)
    clips = (2 * draw(2, frames, 3, 4, 5) - 1).requires_grad_(needs_input)
    ours, plain = module(clips), plain_smif(module, clips)
    torch.testing.assert_close(ours, plain)
    weights = draw(*clips.shape)
    assert_alike(gradients(module, ours, weights, clips), gradients(module, plain, weights, clips))


@pytest.mark.parametrize("needs_input", [True, False])
@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("build", [LMI, SignedLMI], ids=lambda build: build.__name__)
def test_the_gradients_of_lmi_are_autograds(build, frames, needs_input, monkeypatch):
    module = build(8).double()
    with torch.no_grad():
        module.delta.fill_(0.7)
    tokens = draw(2, frames, 3, 8).requires_grad_(needs_input)
    ours, plain = module(tokens), plain_gate(module, tokens, monkeypatch)
    torch.testing.assert_close(ours, plain)
    weights = draw(*tokens.shape)
    assert_alike(gradients(module, ours, weights, tokens), gradients(module, plain, weights, tokens))


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("build", [lsvit_nano, lsvit_signed_nano], ids=["lsvit", "lsvit_signed"])
def test_a_model_has_a_gradient_with_respect_to_its_input(build, frames):
    model = build(num_classes=2, image_size=8, num_frames=frames)
    with torch.no_grad():
        model.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    clips = torch.rand(1, frames, 3, 8, 8, requires_grad=True)
    model(clips)[0, 0].backward()
    assert clips.grad.isfinite().all()
    assert clips.grad.abs().sum() > 0


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_motion_frames_refuse_an_odd_number_of_frames(frames):
    with pytest.raises(UserError, match=f"MotionFrames: motion frames take frames two by two, not {frames}"):
        MotionFrames()(torch.zeros(1, frames, 3, 2, 2))


@pytest.mark.parametrize(
    ("build", "options", "still", "moving"),
    [
        (lsvit_nano, {}, 1, 2),
        (lsvit_signed_nano, {}, 1, 2),
        (lsvit_signed_nano, {"smif": "frames"}, 2, 4),
    ],
    ids=["lsvit", "lsvit_signed", "frames"],
)
def test_without_a_second_frame_the_reduction_of_lmi_has_no_gradient(build, options, still, moving):
    for frames in (still, moving):
        model = build(num_classes=2, image_size=8, num_frames=frames, **options)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
        model(2 * torch.rand(1, frames, 3, 8, 8) - 1)[0, 0].backward()
        gradients = [block.lmi.reduce.weight.grad for block in model.blocks]
        assert all((gradient is None or not gradient.any()) == (frames == still) for gradient in gradients)
