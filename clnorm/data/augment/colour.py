"""Contrast, saturation, hue and brightness as one affine map of colours a clip."""

import math

import torch
from torch import Tensor


def colour_matrix(*, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """What maps colours about grey, to be applied to their difference from the clip's mean level.

    Grey is the mean of the three colours, as in the HSI model. Saturation scales what differs from it; hue turns that
    about the grey axis (Rodrigues' rotation formula), red towards green at a positive turn; contrast scales all.

    Args:
        contrast: (B,) factor; 1 changes nothing.
        saturation: (B,) factor; 1 changes nothing.
        hue: (B,) turn, in full circles; 0 changes nothing.

    Returns:
        (B, 3, 3) float64.
    """
    contrast, saturation, angle = (part.double()[:, None, None] for part in (contrast, saturation, hue * 2 * math.pi))
    grey = torch.full((3, 3), 1 / 3, dtype=torch.float64)
    colour = torch.eye(3, dtype=torch.float64) - grey
    quarter = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / math.sqrt(3)
    return contrast * (grey + saturation * (torch.cos(angle) * colour + torch.sin(angle) * quarter))


def change_colours(clips: Tensor, *, contrast: Tensor, saturation: Tensor, hue: Tensor, brightness: Tensor) -> Tensor:
    """mean + M (x - mean) + brightness for each colour x of clips (B, T, 3, H, W), with the mean of the whole clip.

    Args:
        clips: contiguous.
        contrast, saturation, hue: (B,) of the matrix M, as in `colour_matrix`.
        brightness: (B,) what is added.
    """
    matrix = colour_matrix(contrast=contrast, saturation=saturation, hue=hue).to(clips)
    # M scales a grey, such as the mean, by the contrast.
    mean = clips.mean(dim=(1, 2, 3, 4))
    offset = torch.addcmul(brightness.to(clips), 1 - contrast.to(clips), mean)
    frames = torch.matmul(matrix[:, None], clips.flatten(3))
    return frames.add_(offset[:, None, None, None]).view_as(clips)
