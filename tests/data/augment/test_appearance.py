"""The look of an experience, pixel by pixel, and where it enters."""

import math

import numpy as np
import pytest
import torch

from clnorm.data.augment.appearance import Appearance, create_appearance
from clnorm.data.augment.looks import Look
from clnorm.data.store.loader import read_batches

OWNER = np.array([0, 1, 1, 0])


def change(look, clips):
    """Clips 1 and 2 under `look`, by `Appearance`."""
    return Appearance([Look(), look], OWNER)(clips, torch.tensor([1, 2]))


@pytest.fixture
def clips():
    return torch.rand(2, 3, 3, 6, 5, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def test_brightness_is_added_and_held(clips):
    torch.testing.assert_close(change(Look(brightness=0.5), clips), (clips + 0.5).clamp(-1, 1))


def test_contrast_scales_about_the_mean_of_each_clip(clips):
    mean = clips.mean(dim=(1, 2, 3, 4), keepdim=True)
    torch.testing.assert_close(change(Look(contrast=0.25), clips), mean + 0.25 * (clips - mean))


def test_a_third_of_a_circle_exchanges_colours(clips):
    torch.testing.assert_close(change(Look(hue=1 / 3), clips), clips[:, :, [2, 0, 1]], atol=1e-6, rtol=0)


def test_blur_is_a_gaussian_in_shares_of_the_height(clips):
    sigma = 0.25 * 6
    found = change(Look(blur=0.25), clips)
    for y, x in ((0, 0), (2, 3)):
        weights = np.array(
            [[math.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * sigma**2)) for u in range(5)] for v in range(6)]
        )
        expected = (clips.double() * torch.as_tensor(weights / weights.sum())).sum(dim=(-2, -1))
        torch.testing.assert_close(found[..., y, x].double(), expected, atol=1e-6, rtol=0)


def test_each_clip_gets_the_look_of_its_own_experience(clips):
    appearance = Appearance([Look(), Look(brightness=0.1)], OWNER)
    found = appearance(clips, torch.tensor([3, 2]))
    torch.testing.assert_close(found[0], clips[0])
    torch.testing.assert_close(found[1], clips[1] + 0.1)
    again = appearance(clips, torch.tensor([3, 2]))
    assert torch.equal(found, again)
    assert torch.equal(found[0], clips[0])
    assert torch.equal(appearance(clips, torch.tensor([3, 0])), clips)
    assert torch.equal(found[1], appearance(clips[1:], torch.tensor([1]))[0])


def test_clips_that_look_as_they_are_need_nothing():
    assert create_appearance((), OWNER) is None
    assert create_appearance((Look(), Look()), OWNER) is None
    assert create_appearance((Look(), Look(hue=0.1)), OWNER) is not None


def test_training_and_evaluation_see_the_same_look(build_setup):
    from clnorm.training.trainer import ClipStrategy

    setup = build_setup(protocol="domain-incremental:experiences=2,strength=0.5")
    strategy, stream = ClipStrategy(setup=setup), setup.stream
    ids = np.array([stream.experiences[0].test_ids[0], stream.experiences[1].test_ids[0]])
    plain = ClipStrategy(setup=build_setup(protocol="even:experiences=2")).inputs
    (_, seen), (_, recorded) = next(strategy.inputs.read([ids])), next(plain.read([ids]))
    torch.testing.assert_close(seen[0], recorded[0])
    torch.testing.assert_close(seen[1], (recorded[1] + 0.5).clamp(-1, 1))
    batch = strategy._maker.make(
        torch.as_tensor(ids),
        next(read_batches(setup.store, [ids]))[1],
        tasks=strategy.statistics.tasks,
        recalled=0,
        seen=4,
        augmentation=torch.Generator(),
        mixing=np.random.default_rng(0),
    )
    torch.testing.assert_close(batch.clips, seen)
    assert batch.tasks.tolist() == [0, 1]
