"""Colours against the equations step by step, hues with an independent rotation."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.data.augment.colour import change_colours, colour_matrix

FACTORS = st.floats(0.0, 2.0)


def change(clips, **changes):
    values = {"contrast": 1.0, "saturation": 1.0, "hue": 0.0, "brightness": 0.0, **changes}
    drawn = {name: torch.full((len(clips),), value, dtype=torch.float64) for name, value in values.items()}
    return change_colours(clips, **drawn)


@given(contrast=FACTORS, saturation=FACTORS, hue=st.floats(-0.5, 0.5), brightness=st.floats(-1.0, 1.0))
@settings(max_examples=12)
def test_one_map_is_contrast_saturation_hue_and_brightness_one_after_the_other(contrast, saturation, hue, brightness):
    clips = torch.rand(2, 2, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    axis = torch.ones(3).double() / math.sqrt(3)
    turn = torch.linalg.matrix_exp(2 * math.pi * hue * torch.linalg.cross(axis.expand(3, 3), torch.eye(3).double()).T)
    out = change(clips, contrast=contrast, saturation=saturation, hue=hue, brightness=brightness)
    for clip, changed in zip(clips, out, strict=True):
        mean = clip.mean()
        for frame in range(2):
            for place in range(4):
                colour = clip[frame].flatten(1)[:, place]
                step = mean + contrast * (colour - mean)
                grey = step.mean()
                step = grey + saturation * (step - grey)
                step = turn @ step + brightness
                torch.testing.assert_close(changed[frame].flatten(1)[:, place], step, atol=1e-9, rtol=0)


def test_hues_by_hand():
    red, green, blue = torch.eye(3, dtype=torch.float64)
    for turn, expected in ((1 / 3, green), (-1 / 3, blue), (1.0, red), (0.0, red)):
        matrix = colour_matrix(
            contrast=torch.ones(1), saturation=torch.ones(1), hue=torch.tensor([turn], dtype=torch.float64)
        )
        torch.testing.assert_close(matrix[0] @ red, expected, atol=1e-9, rtol=0)


def test_no_saturation_is_grey_and_no_contrast_is_the_mean():
    clips = torch.rand(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grey = change(clips, saturation=0.0)
    torch.testing.assert_close(grey, clips.mean(2, keepdim=True).expand_as(clips))
    flat = change(clips, contrast=0.0)
    torch.testing.assert_close(flat, clips.mean((1, 2, 3, 4), keepdim=True).expand_as(clips))


def test_each_clip_of_a_batch_has_a_map_of_its_own():
    clips = torch.rand(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = {"contrast": [1.0, 0.5], "saturation": [0.0, 1.0], "hue": [0.0, 0.0], "brightness": [0.0, 0.2]}
    out = change_colours(clips, **{name: torch.tensor(value).double() for name, value in values.items()})
    torch.testing.assert_close(out[:1], change(clips[:1], saturation=0.0))
    torch.testing.assert_close(out[1:], change(clips[1:], contrast=0.5, brightness=0.2))
