"""Changes of single pixels: noise, and boxes that hide what is behind them."""

import torch
from torch import Tensor


def add_noise(clip: Tensor, deviation: float, *, generator: torch.Generator) -> Tensor:
    """Normal noise, drawn anew for each pixel of each frame, added to a clip (T, 3, H, W), in place.

    It is drawn on the CPU, so that it is equal on every device.
    """
    noise = torch.empty(clip.shape, dtype=clip.dtype).normal_(0, deviation, generator=generator)
    return clip.add_(noise.to(clip.device))


def erase_box(clip: Tensor, box: tuple[float, float, float, float]) -> None:
    """A rectangle of all frames of a clip (T, 3, H, W) made grey, in place.

    Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020, with one value for all pixels.

    Args:
        clip: floats in [-1, 1].
        box: height and width as shares of the frame, at most 1, and the place in [0, 1] on either axis: 0 is at the
            start, 1 at the end.
    """
    height, width = clip.shape[-2:]
    rows, columns = _part(box[0], box[2], height), _part(box[1], box[3], width)
    clip[..., rows, columns] = 0


def _part(share: float, place: float, size: int) -> slice:
    length = round(share * size)
    start = round(place * (size - length))
    return slice(start, start + length)
