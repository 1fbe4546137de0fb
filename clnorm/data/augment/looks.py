"""How all clips of an experience look: numbers alone, so that they are known where nothing is decoded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """A fixed change of clips, the same for every clip and frame; its defaults change nothing.

    Args:
        brightness: what is added to pixels in [-1, 1].
        contrast: factor of a pixel's difference from its clip's mean.
        hue: turn of the colours about grey, in full circles.
        blur: standard deviation of a Gaussian, as a share of the frame's height.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    hue: float = 0.0
    blur: float = 0.0
