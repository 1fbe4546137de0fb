"""Presets and single operations on whole batches."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from clnorm.catalogue import AUGMENTATIONS
from clnorm.errors import UserError
from clnorm.seeding import torch_generator

OFF = "flip=0,min_scale=1,stretch=1,contrast=0,saturation=0,brightness=0"
ALONE = {
    "flip": "light:min_scale=1,stretch=1,contrast=0,saturation=0,brightness=0",
    "crop": "light:flip=0,contrast=0,saturation=0,brightness=0",
    "contrast": "light:flip=0,min_scale=1,stretch=1,saturation=0,brightness=0",
    "saturation": "light:flip=0,min_scale=1,stretch=1,contrast=0,brightness=0",
    "brightness": "light:flip=0,min_scale=1,stretch=1,contrast=0,saturation=0",
    "hue": f"light:{OFF},hue=0.5",
    "blur": f"light:{OFF},blur=2",
    "noise": f"light:{OFF},noise=0.3",
    "erase": f"light:{OFF},erase=0.5",
    "light": "light",
    "strong": "strong",
}


def test_light_is_a_bilinear_crop_and_flip_then_contrast_saturation_and_brightness(clips_of, augment):
    # Written as it was before its parts became options: torch's sampling, then one step for each change of colour.
    clips, generator = clips_of(40, height=16, width=16), torch_generator(3, "augmentation")
    draws = torch.rand(5, 40, generator=generator)
    scale, stretch = 0.6 + 0.4 * draws[0], torch.exp(math.log(1.15) * (draws[1] - 0.5))
    width, height = (scale * stretch).clamp(max=1), (scale / stretch).clamp(max=1)
    maps = torch.zeros(40, 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = width * torch.where(draws[4] < 0.5, -1, 1), height
    maps[:, 0, 2], maps[:, 1, 2] = (1 - width) * (2 * draws[2] - 1), (1 - height) * (2 * draws[3] - 1)
    grid = F.affine_grid(maps, (40, 1, 16, 16), align_corners=False)
    expected = F.grid_sample(clips.flatten(1, 2), grid, padding_mode="border", align_corners=False).view_as(clips)
    contrast, saturation, brightness = 0.3 * (2 * torch.rand(3, 40, 1, 1, 1, 1, generator=generator) - 1)
    expected = torch.lerp(expected.mean(dim=(1, 2, 3, 4), keepdim=True), expected, 1 + contrast)
    expected = torch.lerp(expected.mean(dim=2, keepdim=True), expected, 1 + saturation)
    expected = (expected + brightness).clamp(-1, 1)
    torch.testing.assert_close(augment("light", clips, seed=3), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ALONE)
def test_clips_stay_in_range_shape_and_themselves_and_one_seed_gives_one_result(name, clips_of, augment):
    clips = clips_of(12)
    before = clips.clone()
    first, again, other = (augment(ALONE[name], clips, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(clips, before)
    assert (first.shape, first.dtype) == (clips.shape, clips.dtype)
    assert first.abs().max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", [name for name in ALONE if name not in ("noise", "strong")])
def test_all_frames_of_a_clip_get_one_draw_and_clips_different_ones(name, clips_of, augment):
    still = clips_of(1, frames=1).expand(24, 3, -1, -1, -1).contiguous()
    out = augment(ALONE[name], still)
    torch.testing.assert_close(out, out[:, :1].expand_as(out), atol=1e-6, rtol=0)
    distinct = len({clip.numpy().tobytes() for clip in out})
    assert distinct == 2 if name == "flip" else distinct > 20  # two faint blurs may round to one


def test_noise_has_one_deviation_a_clip_up_to_the_limit(augment):
    out = augment(ALONE["noise"], torch.zeros(200, 2, 3, 16, 16))
    deviations = out.flatten(2).std(2)
    assert stats.kstest(deviations.mean(1).numpy(), "uniform", (0, 0.3)).pvalue > 0.01
    torch.testing.assert_close(deviations[:, 0], deviations[:, 1], atol=0.02, rtol=0.15)


@pytest.mark.parametrize("text", ["none", f"light:{OFF}"])
def test_what_is_off_gives_the_clips_back(text, clips_of, augment):
    clips = clips_of(3)
    assert augment(text, clips) is clips


def test_flips_are_exact_and_spare_the_classes_named(clips_of, augment):
    clips, labels = clips_of(90), [0, 1, 2] * 30
    flip = "light:flip=1,min_scale=1,stretch=1,contrast=0,saturation=0,brightness=0,unflipped=turn/catch"
    out = augment(flip, clips, labels=labels)
    for clip, changed, label in zip(clips, out, labels, strict=True):
        assert torch.equal(changed, clip.flip(-1) if label == 1 else clip)


def test_a_class_of_the_name_none_can_be_spared():
    from clnorm.data.augment.presets import create_augmentation

    options = "flip=1,min_scale=1,stretch=1,contrast=0,saturation=0,brightness=0"
    clips = torch.rand(2, 1, 3, 4, 4, generator=torch_generator(0, "clips"))
    for unflipped, spared in (("none", 0), ("none/", 1)):
        change = create_augmentation(AUGMENTATIONS.parse(f"light:{options},unflipped={unflipped}"), ("some", "none"))
        seen = torch.ones(2, dtype=torch.bool)
        out, _ = change(clips, torch.tensor([0, 1]), seen=seen, generator=torch_generator(0, "augmentation"))
        assert torch.equal(out[0], clips[0].flip(-1))
        assert torch.equal(out[1], clips[1] if spared else clips[1].flip(-1))


def test_operations_come_in_the_order_crop_blur_colour_noise_erase(augment):
    # A clip of one colour stays one under crop and blur; noise is not brightened; the box hides all.
    grey = torch.full((30, 2, 3, 20, 20), 0.5)
    out = augment("light:contrast=0,saturation=0,brightness=0.2,noise=0.001,erase=0.2,blur=2", grey)
    hidden = out == 0
    assert torch.equal(hidden, hidden[:, :1, :1].expand_as(hidden))
    assert 0 < hidden.float().mean() < 0.2
    levels = torch.stack([clip[clip != 0].median() for clip in out])
    assert (levels - 0.5).abs().max() <= 0.21
    assert levels.std() > 0.05
    noise = torch.stack([(clip[clip != 0] - level).std() for clip, level in zip(out, levels, strict=True)])
    assert noise.max() <= 0.0011
    assert noise.min() > 0


def test_an_augmentation_of_one_s_own_is_built_of_the_classes_and_its_options(clips_of, augment, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "def build(classes, amount: float = 0.5):\n    dimmed = classes.index('turn')\n\n"
    source += "    def change(clips, labels, *, seen, generator):\n        clips = clips.clone()\n"
    source += "        clips[labels == dimmed] *= amount\n        return clips, labels\n\n    return change\n"
    (tmp_path / "dim_turns_plugin.py").write_text(source)
    clips = clips_of(3)
    out = augment("dim_turns_plugin:build:amount=0.25", clips, labels=[0, 2, 1])
    assert torch.equal(out[[0, 2]], clips[[0, 2]])
    assert torch.equal(out[1], clips[1] * 0.25)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lihgt", "unknown augmentation 'lihgt'.*did you mean 'light'"),
        ("light:color=1", "no option 'color'"),
        ("light:hue=0.7", "'0.7' is not legal; legal: a number >= 0 and <= 0.5"),
        ("light:min_scale=0", "'0' is not legal"),
        ("strong:operations=0", "'0' is not legal; legal: an int >= 1, or all"),
        ("strong:operations=8", "8 operations a clip, of 7 that are not off"),
        ("strong:operations=3,hue=0,blur=0,noise=0,erase=0,contrast=0", "3 operations a clip, of 2"),
        ("light:unflipped=draw_swrd", "no class 'draw_swrd'.*did you mean 'draw_sword'"),
        ("strong:unflipped=turn/clap", "no class 'clap' to leave unflipped"),
    ],
)
def test_wrong_options_are_named(text, message, clips_of, augment):
    with pytest.raises(UserError, match=f"(?s)data.augment.*{message}"):
        augment(text, clips_of(1))
