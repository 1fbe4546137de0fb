"""From clip ids to the inputs of a model."""

from torch import Tensor


def pixels_to_input(clips: Tensor) -> Tensor:
    """Pixels (B, T, 3, H, W), uint8, as a model's input: float32 in [-1, 1]."""
    return clips.float().mul_(2 / 255).sub_(1)
