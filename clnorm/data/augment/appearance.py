"""The look of each experience, given to clips where their pixels become a model's input."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clnorm.data.augment.colour import change_colours
from clnorm.data.augment.geometry import blur_clips
from clnorm.data.augment.looks import Look


class Appearance:
    """Changes each clip as its experience looks: blur, then hue, contrast and brightness, held in [-1, 1] at the end.

    Nothing is drawn, so that a clip looks the same whenever it is read.

    Args:
        looks: of each experience.
        experience_of_clip: (clips,) int64.
    """

    def __init__(self, looks: Sequence[Look], experience_of_clip: np.ndarray) -> None:
        self._owner = torch.as_tensor(experience_of_clip)
        self._changes = torch.tensor([look != Look() for look in looks])
        self._brightness = torch.tensor([look.brightness for look in looks])
        self._contrast = torch.tensor([look.contrast for look in looks])
        self._hue = torch.tensor([look.hue for look in looks])
        self._blur = torch.tensor([look.blur for look in looks])

    def __call__(self, clips: Tensor, ids: Tensor) -> Tensor:
        """The clips (B, T, 3, H, W), floats in [-1, 1], of the ids (B,) on the CPU, changed; those given stay."""
        of = self._owner[ids]
        changed = self._changes[of].nonzero().flatten()
        if not len(changed):
            return clips
        places = changed.to(clips.device)
        return clips.index_copy(0, places, self._change(clips[places], of[changed]))

    def _change(self, clips: Tensor, of: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) as those of the experiences `of` (B,) look."""
        if self._blur[of].any():
            clips = blur_clips(clips, sigma=self._blur[of] * clips.shape[-2])
        clips = change_colours(
            clips.contiguous(),
            contrast=self._contrast[of],
            saturation=torch.ones(len(of)),
            hue=self._hue[of],
            brightness=self._brightness[of],
        )
        return clips.clamp_(-1, 1)


def create_appearance(looks: Sequence[Look], experience_of_clip: np.ndarray) -> Appearance | None:
    """What gives clips the look of their experience; None where all look as they are."""
    return Appearance(looks, experience_of_clip) if any(look != Look() for look in looks) else None
