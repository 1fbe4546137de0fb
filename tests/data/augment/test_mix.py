"""Mixing of a batch: against slow loops, and the distribution of shares and boxes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clnorm.catalogue import MIXES
from clnorm.data.augment.mix import Mixture, keep, mixup, videomix
from clnorm.errors import ClnormError, UserError
from clnorm.seeding import numpy_generator, torch_generator


def clips_of(count, *, frames=2, height=6, width=8):
    return torch.rand(count, frames, 3, height, width, generator=torch_generator(0, "clips")) * 2 - 1


def draws(mix, count, *, alpha, clips):
    generator = numpy_generator(0, "mix")
    return [mix(clips, generator=generator, alpha=alpha) for _ in range(count)]


@given(seed=st.integers(0, 2**31), count=st.integers(1, 7), alpha=st.floats(0.05, 5.0))
@settings(max_examples=60)
def test_mixup_is_the_weighted_mean_of_each_clip_and_its_partner(seed, count, alpha):
    clips = clips_of(count)
    mixture = mixup(clips, generator=np.random.default_rng(seed), alpha=alpha)
    assert sorted(mixture.partners.tolist()) == list(range(count))
    assert 0.5 <= mixture.share <= 1
    for clip, mixed, partner in zip(clips, mixture.clips, mixture.partners.tolist(), strict=True):
        expected = mixture.share * clip.double() + (1 - mixture.share) * clips[partner].double()
        torch.testing.assert_close(mixed.double(), expected, atol=1e-6, rtol=0)


@pytest.mark.slow
@given(seed=st.integers(0, 2**31), count=st.integers(1, 7), alpha=st.floats(0.05, 5.0))
@settings(max_examples=150)
def test_videomix_gives_each_clip_one_box_and_the_share_counts_pixels(seed, count, alpha):
    clips = clips_of(count)
    before = clips.clone()
    mixture = videomix(clips, generator=np.random.default_rng(seed), alpha=alpha)
    assert torch.equal(clips, before), "the clips given stay as they are"
    assert sorted(mixture.partners.tolist()) == list(range(count))
    assert 0.5 <= mixture.share <= 1
    # Every pixel is the clip's own or its partner's, in all clips, frames and colours at the same places.
    other = mixture.partners.tolist()
    told = [place for place in range(count) if other[place] != place]
    for place in told:
        mine, theirs, mixed = clips[place], clips[other[place]], mixture.clips[place]
        assert ((mixed == mine) | (mixed == theirs)).all()
        foreign = (mixed != mine).all(dim=1)
        assert torch.equal(foreign, foreign[:1].expand_as(foreign))
        foreign = foreign[0]
        assert mixture.share == pytest.approx(1 - foreign.float().mean().item())
        assert is_box(foreign) or is_box(~foreign)
    for place in set(range(count)) - set(told):
        assert torch.equal(mixture.clips[place], clips[place])


def is_box(mask):
    rows, columns = mask.any(1).nonzero().flatten().tolist(), mask.any(0).nonzero().flatten().tolist()
    if not rows:
        return True
    return bool(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all())


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
def test_the_shares_of_mixup_are_the_larger_parts_of_a_beta_distribution(alpha):
    shares = [mixture.share for mixture in draws(mixup, 600, alpha=alpha, clips=clips_of(2, height=1, width=1))]

    def larger_part(share):  # P(max(x, 1 - x) <= s) = 2 F(s) - 1, by the symmetry of Beta(alpha, alpha)
        return 2 * stats.beta.cdf(share, alpha, alpha) - 1

    assert stats.kstest(shares, larger_part).pvalue > 0.01


def test_the_box_of_videomix_has_a_uniform_centre_and_the_frame_s_shape():
    mixed = draws(videomix, 600, alpha=1.0, clips=torch.arange(2.0).reshape(2, 1, 1, 1, 1).expand(2, 1, 3, 20, 40))
    generator = numpy_generator(1, "oracle")
    side, y, x = np.sqrt(1 - generator.beta(1, 1, 5000)), generator.uniform(size=5000), generator.uniform(size=5000)
    height, width = (np.minimum(centre + side / 2, 1) - np.maximum(centre - side / 2, 0) for centre in (y, x))
    expected = np.maximum(height * width, 1 - height * width)
    assert stats.ks_2samp([mixture.share for mixture in mixed], expected).statistic < 0.08
    # Where the box is not cut at an end, it is twice as wide as high.
    for mixture in mixed:
        clip = mixture.clips[0, 0, 0]
        rows, columns = (clip.amax(1) > 0).nonzero().flatten(), (clip.amax(0) > 0).nonzero().flatten()
        whole = len(rows) and rows[0] > 0 and rows[-1] < 19 and columns[0] > 0 and columns[-1] < 39
        if whole and mixture.partners[0] == 1:
            assert abs(len(columns) - 2 * len(rows)) <= 3


def test_the_same_generator_mixes_alike_and_another_otherwise():
    clips = clips_of(6)
    for mix in (mixup, videomix):
        first, again = (mix(clips, generator=numpy_generator(3, "mix"), alpha=1.0) for _ in range(2))
        other = mix(clips, generator=numpy_generator(4, "mix"), alpha=1.0)
        assert torch.equal(first.clips, again.clips)
        assert first.share == again.share
        assert not torch.equal(first.clips, other.clips)


def test_none_mixes_nothing():
    clips = clips_of(3)
    mixture = keep(clips, generator=numpy_generator(0, "mix"))
    assert mixture.clips is clips
    assert (mixture.partners.tolist(), mixture.share) == ([0, 1, 2], 1.0)


def test_a_smaller_own_part_is_an_error():
    with pytest.raises(ClnormError, match=r"data\.mix.*0\.4.*1/2 to 1"):
        Mixture(clips_of(2), torch.arange(2), 0.4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mixupp", "did you mean 'mixup'"),
        ("mixup:beta=1", "no option 'beta'"),
        ("mixup:alpha=0", "'0' is not legal"),
        ("videomix:alpha=x", "'x' is not legal"),
    ],
)
def test_wrong_options_are_named(text, message):
    with pytest.raises(UserError, match=message):
        MIXES.parse(text, where="data.mix")
