import pytest
import torch

from clnorm.data.augment import augment_clips, crop_and_flip, jitter_colour
from clnorm.seeding import torch_generator


def ramp(count=64, frames=3, size=32):
    """Clips (count, frames, 3, size, size), red rising with the column, green with the row and blue with the frame."""
    axis = torch.linspace(-1, 1, size)
    clip = torch.zeros(frames, 3, size, size)
    clip[:, 0], clip[:, 1] = axis, axis[:, None]
    clip[:, 2] = torch.linspace(-1, 1, frames)[:, None, None]
    return clip.repeat(count, 1, 1, 1, 1)


def changed(seed=0, **changes):
    return crop_and_flip(ramp(**changes), generator=torch_generator(seed, "augmentation"))


def test_all_frames_of_a_clip_get_one_draw_and_different_clips_different_ones():
    clips = changed()
    torch.testing.assert_close(clips[:, :, :2], clips[:, :1, :2].expand(-1, 3, -1, -1, -1))
    assert len({clip.numpy().tobytes() for clip in clips}) == 64


def test_half_of_the_clips_are_flipped():
    red = changed(count=400)[:, 0, 0]
    slopes = red[:, 16, -1] - red[:, 16, 0]
    assert 0.4 < (slopes < 0).float().mean() < 0.6


def test_a_crop_is_a_part_of_the_frame_enlarged_and_no_more_than_the_limits_stretched():
    clips = changed(count=400)
    red, green = clips[:, 0, 0, 16], clips[:, 0, 1, :, 16]
    inner = slice(4, 28)  # the outermost pixels of a full-width crop repeat the border

    def share(line):
        return (line[:, inner].diff(dim=1).mean(1).abs() * 31 / 2).flatten()

    width, height = share(red), share(green)
    assert width.max() <= 1.04
    assert min(width.min(), height.min()) > 0.55
    assert max((width / height).max(), (height / width).max()) < 1.2
    assert width.std() > 0.08
    # Rows stay rows, the right way up.
    torch.testing.assert_close(clips[:, 0, 0], clips[:, 0, 0, :1].expand(-1, 32, -1), atol=1e-5, rtol=1e-5)
    assert (green.diff(dim=1) >= -1e-6).all()
    # Time is left alone.
    torch.testing.assert_close(clips[:, :, 2], ramp(count=400)[:, :, 2], atol=1e-5, rtol=1e-5)


def test_the_same_generator_gives_the_same_and_none_gives_back_the_clips():
    assert torch.equal(changed(seed=3), changed(seed=3))
    assert not torch.equal(changed(seed=3), changed(seed=4))
    clips = ramp(count=2)
    assert augment_clips(clips, "none", generator=torch_generator(0, "augmentation")) is clips
    light = augment_clips(clips, "light", generator=torch_generator(0, "augmentation"))
    generator = torch_generator(0, "augmentation")
    assert torch.equal(light, jitter_colour(crop_and_flip(clips, generator=generator), generator=generator))


def test_colours_change_as_the_equations_say_one_draw_a_clip():
    clips = torch.rand(200, 2, 3, 4, 4, generator=torch_generator(0, "clips")) * 0.4 - 0.2  # nothing reaches the clamp
    out = jitter_colour(clips, generator=torch_generator(0, "augmentation"))
    contrasts, saturations, brightnesses = [], [], []
    for clip, changed in zip(clips, out, strict=True):
        grey, changed_grey = clip.mean(1), changed.mean(1)
        contrast = changed_grey.std() / grey.std()
        brightness = changed.mean() - clip.mean()
        saturation = (changed - changed_grey[:, None]).std() / (clip - grey[:, None]).std() / contrast
        expected = (clip - clip.mean()) * contrast
        mean = expected.mean(1, keepdim=True)
        expected = mean + (expected - mean) * saturation + clip.mean() + brightness
        torch.testing.assert_close(changed, expected, atol=1e-4, rtol=1e-3)
        contrasts.append(contrast.item())
        saturations.append(saturation.item())
        brightnesses.append(brightness.item())
    for values, centre in ((contrasts, 1.0), (saturations, 1.0), (brightnesses, 0.0)):
        assert centre - 0.301 < min(values) < centre - 0.25
        assert centre + 0.25 < max(values) < centre + 0.301
    assert jitter_colour(torch.full((8, 1, 3, 4, 4), 0.95), generator=torch_generator(1, "augmentation")).max() == 1


@pytest.mark.parametrize("preset", ["none", "light"])
def test_shape_dtype_and_range_are_kept(preset):
    clips = torch.rand(3, 2, 3, 16, 16, generator=torch_generator(0, "clips")) * 2 - 1
    out = augment_clips(clips, preset, generator=torch_generator(0, "augmentation"))
    assert (out.shape, out.dtype) == (clips.shape, clips.dtype)
    assert out.abs().max() <= 1 + 1e-6
