"""Random changes of training clips that keep their class: batched, one draw a clip, the same for all of its frames."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST = 0.6  # least share of the frame's height and width that a crop keeps
_STRETCH = 1.15  # most that a crop's width may be scaled against its height


def augment_clips(clips: Tensor, preset: str, *, generator: torch.Generator) -> Tensor:
    """Clips (B, T, 3, H, W), floats in [-1, 1], changed at random; `none` gives them back as they are.

    `light` flips half of the clips left to right and crops each to a random part, which it enlarges to the frame.
    The draws are made on the CPU, so that they are equal on every device.
    """
    return clips if preset == "none" else crop_and_flip(clips, generator=generator)


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
