"""Crop, flip and blur of whole clips: a clip's frames are the channels of one image, so that they all get the same.

Resampling one clip at a time reads the sampling places once for its 48 channels of 16 frames; two matrix products, one
for each axis, do the same in three times the time, but are the fastest blur.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def crop_and_flip(clips: Tensor, *, height: Tensor, width: Tensor, top: Tensor, left: Tensor, flip: Tensor) -> Tensor:
    """Clips (B, T, 3, H, W) cropped, enlarged to the frame (bilinear) and flipped left to right.

    Beyond the centres of its outermost pixels a frame goes on as there.

    Args:
        clips: floats.
        height: (B,) of the crop, as a share of the frame, at most 1.
        width: (B,) likewise.
        top: (B,) in [0, 1], where the crop lies: 0 at the upper end, 1 at the lower one.
        left: (B,) likewise: 0 at the left end, 1 at the right one.
        flip: (B,) bool.
    """
    maps = torch.zeros(len(clips), 2, 3)
    maps[:, 0, 0], maps[:, 1, 1] = width * torch.where(flip, -1.0, 1.0), height
    maps[:, 0, 2], maps[:, 1, 2] = (1 - width) * (2 * left - 1), (1 - height) * (2 * top - 1)
    grid = F.affine_grid(maps.to(clips), [len(clips), 1, *clips.shape[-2:]], align_corners=False)
    return F.grid_sample(clips.flatten(1, 2), grid, padding_mode="border", align_corners=False).view_as(clips)


def flip_clips(clips: Tensor, *, flip: Tensor) -> Tensor:
    """Clips (B, T, 3, H, W) flipped left to right where `flip` (B,) is true, to the bit."""
    return torch.where(flip.to(clips.device)[:, None, None, None, None], clips.flip(-1), clips)


def blur_clips(clips: Tensor, *, sigma: Tensor) -> Tensor:
    """Clips (B, T, 3, H, W) blurred by a Gaussian of `sigma` (B,) pixels along height and width; 0 leaves them."""
    rows, columns = (_blur_matrix(sigma, size).to(clips) for size in clips.shape[-2:])
    across = torch.bmm(clips.flatten(1, 3), columns.mT)
    return (rows[:, None] @ across.view(clips.flatten(1, 2).shape)).view_as(clips)


def _blur_matrix(sigma: Tensor, size: int) -> Tensor:
    """(B, size, size) float64; a row holds the weights that a pixel of the result gives to those of the axis.

    Pixels outside of the frame have no weight, and the weights of those inside add up to 1.
    """
    pixels = torch.arange(size, dtype=torch.float64)
    spread = sigma.double().clamp(min=1e-3)[:, None, None]  # the next pixel's weight is then exactly 0
    weights = torch.exp(-((pixels[:, None] - pixels) ** 2) / (2 * spread**2))
    return weights / weights.sum(dim=2, keepdim=True)
