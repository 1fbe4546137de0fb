"""Random changes of training clips that keep their class: batched, one draw a clip, the same for all of its frames."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST = 0.6  # least share of the frame's height and width that a crop keeps
_STRETCH = 1.15  # most that a crop's width may be scaled against its height
_COLOUR = 0.3  # most that contrast and saturation may change, as a share, and brightness, of half the range


def augment_clips(clips: Tensor, preset: str, *, generator: torch.Generator) -> Tensor:
    """Clips (B, T, 3, H, W), floats in [-1, 1], changed at random; `none` gives them back as they are.

    `light` flips half of the clips left to right, crops each to a random part, which it enlarges to the frame, and
    changes contrast, saturation and brightness. The draws are made on the CPU, so that they are equal on every device.
    """
    if preset == "none":
        return clips
    return jitter_colour(crop_and_flip(clips, generator=generator), generator=generator)


def crop_and_flip(clips: Tensor, *, generator: torch.Generator) -> Tensor:
    """Each clip cropped, enlarged to the frame (bilinear) and, half of the time, flipped left to right.

    A crop's height and width are `scale` times those of the frame, stretched against each other; scale is uniform in
    [0.6, 1], the logarithm of the stretch in +-log 1.15, its place uniform. Both come in one resampling.
    """
    count = len(clips)
    draws = torch.rand(5, count, generator=generator)
    scale = _SMALLEST + (1 - _SMALLEST) * draws[0]
    stretch = torch.exp(math.log(_STRETCH) * (draws[1] - 0.5))
    width, height = (scale * stretch).clamp(max=1), (scale / stretch).clamp(max=1)
    flip = torch.where(draws[4] < 0.5, -1.0, 1.0)
    maps = torch.zeros(count, 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = width * flip, height
    maps[:, 0, 2], maps[:, 1, 2] = (1 - width) * (2 * draws[2] - 1), (1 - height) * (2 * draws[3] - 1)
    grid = F.affine_grid(maps.to(clips), (count, 1, *clips.shape[-2:]), align_corners=False)
    # A clip's frames are the channels of one image, which is resampled as one.
    return F.grid_sample(clips.flatten(1, 2), grid, padding_mode="border", align_corners=False).view_as(clips)


def jitter_colour(clips: Tensor, *, generator: torch.Generator) -> Tensor:
    """Contrast, saturation and brightness of each clip changed, then clamped to [-1, 1].

    Contrast scales pixels about the clip's mean, saturation about their grey (the mean of colours), each by a factor
    uniform in [0.7, 1.3]; brightness adds a number uniform in [-0.3, 0.3].
    """
    draws = _COLOUR * (2 * torch.rand(3, len(clips), 1, 1, 1, 1, generator=generator) - 1)
    contrast, saturation, brightness = draws.to(clips)
    mean = clips.mean(dim=(1, 2, 3, 4), keepdim=True)
    clips = torch.lerp(mean, clips, 1 + contrast)
    grey = clips.mean(dim=2, keepdim=True)
    return torch.lerp(grey, clips, 1 + saturation).add_(brightness).clamp_(-1, 1)
