"""Clips and augmentations that the tests of this folder share."""

import pytest
import torch

from clnorm.seeding import torch_generator

CLASSES = ("catch", "draw_sword", "turn")


@pytest.fixture
def clips_of():
    """Builds clips (count, frames, 3, height, width) of uniform pixels in +-reach."""

    def build(count, *, frames=2, height=12, width=16, reach=1.0):
        return (torch.rand(count, frames, 3, height, width, generator=torch_generator(0, "clips")) * 2 - 1) * reach

    return build


@pytest.fixture
def augment():
    """Applies what a text of the grammar names to clips of class 0, or of `labels`, by a generator of its own."""

    def apply(text, clips, *, seed=0, labels=None):
        from clnorm.catalogue import AUGMENTATIONS
        from clnorm.data.augment.presets import create_augmentation

        labels = torch.zeros(len(clips), dtype=torch.int64) if labels is None else torch.as_tensor(labels)
        change = create_augmentation(AUGMENTATIONS.parse(text, where="data.augment"), CLASSES)
        seen = torch.ones(len(CLASSES), dtype=torch.bool)
        changed, after = change(clips, labels, seen=seen, generator=torch_generator(seed, "augmentation"))
        assert torch.equal(after, labels)
        return changed

    return apply
