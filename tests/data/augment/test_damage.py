"""Noise and erased boxes."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clnorm.data.augment.damage import add_noise, erase_box
from clnorm.seeding import torch_generator


def test_noise_is_normal_of_the_deviation_asked_for_and_new_in_each_frame():
    clip = torch.full((4, 3, 40, 40), 0.25)
    add_noise(clip, 0.2, generator=torch_generator(0, "noise"))
    assert stats.kstest(((clip - 0.25) / 0.2).flatten().numpy(), "norm").pvalue > 0.01
    frames = (clip - 0.25).flatten(1).numpy()
    for a, b in ((0, 1), (1, 2), (0, 3)):
        assert abs(stats.pearsonr(frames[a], frames[b]).statistic) < 0.05


@given(height=st.floats(0, 1), width=st.floats(0, 1), top=st.floats(0, 1), left=st.floats(0, 1))
def test_a_box_is_grey_in_all_frames_and_within_the_frame(height, width, top, left):
    clip = torch.ones(2, 3, 10, 20)
    erase_box(clip, (height, width, top, left))
    erased = clip[0, 0] == 0
    assert torch.equal(clip == 0, erased.expand_as(clip))
    assert erased.sum() == round(10 * height) * round(20 * width)
    if erased.any():
        rows, columns = erased.any(1).nonzero().flatten(), erased.any(0).nonzero().flatten()
        assert erased[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert rows[0] == round(top * (10 - len(rows)))
        assert columns[0] == round(left * (20 - len(columns)))
