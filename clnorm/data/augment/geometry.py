"""Crop, flip and blur as one resampling: each is linear and separable, so that each axis needs one small matrix."""

import torch
from torch import Tensor


def crop_matrix(share: Tensor, offset: Tensor, size: int, *, flip: Tensor | None = None) -> Tensor:
    """What takes one axis to a part of it, enlarged to the whole by linear interpolation.

    The centre of pixel i of the result lies at `share * (i + 1/2) + (1 - share) * offset * size` of the axis; beyond
    its first and last centre an axis goes on as there.

    Args:
        share: (B,) the part's length over the axis', at most 1.
        offset: (B,) in [0, 1], where the part lies: 0 at the start, 1 at the end.
        size: pixels on the axis.
        flip: (B,) bool; whether the result runs backwards.

    Returns:
        (B, size, size) float64; a row holds the weights that a pixel of the result gives to those of the axis.
    """
    pixels = torch.arange(size, dtype=torch.float64)
    share, offset = share.double()[:, None], offset.double()[:, None]
    source = (share * (pixels + 0.5) + (1 - share) * offset * size - 0.5).clamp(0, size - 1)
    if flip is not None:
        source = torch.where(flip[:, None], source.flip(1), source)
    return (1 - (source[:, :, None] - pixels).abs()).clamp(min=0)


def blur_matrix(sigma: Tensor, size: int) -> Tensor:
    """(B, size, size) float64: what blurs one axis by a Gaussian of `sigma` (B,) pixels; 0 leaves it.

    Pixels outside of the frame have no weight, and the weights of those inside add up to 1.
    """
    pixels = torch.arange(size, dtype=torch.float64)
    spread = sigma.double().clamp(min=1e-3)[:, None, None]  # the next pixel's weight is then exactly 0
    weights = torch.exp(-((pixels[:, None] - pixels) ** 2) / (2 * spread**2))
    return weights / weights.sum(dim=2, keepdim=True)


def resample(clips: Tensor, *, rows: Tensor, columns: Tensor) -> Tensor:
    """Clips (B, T, 3, H, W) with `rows` (B, H, H) applied to their heights and `columns` (B, W, W) to their widths."""
    across = torch.bmm(clips.flatten(1, 3), columns.mT)
    return (rows[:, None] @ across.view(clips.flatten(1, 2).shape)).view_as(clips)
