"""The small ResNet-18 of the papers on online class-incremental learning, on frames.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the stem that they give to small
images; of width 20 in Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017, and in
what compares itself with it since.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.models.vit import require_clips

_BLOCKS = 2  # in each of the four stages
_STAGES = 4


def _convolve(inputs: int, outputs: int, *, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


class BasicBlock(nn.Module):
    """ReLU(bn2 conv2 ReLU(bn1 conv1 x) + shortcut x), on images (S, C, H, W)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolve(inputs, outputs, stride=stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = _convolve(outputs, outputs), nn.BatchNorm2d(outputs)
        projected = [_convolve(inputs, outputs, size=1, stride=stride), nn.BatchNorm2d(outputs)]
        self.shortcut = nn.Sequential(*(projected if inputs != outputs else []))

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 for small images on each frame, its features averaged over time, before a linear head.

    Shapes: clips (B, T, 3, H, W), floats in [-1, 1], to logits (B, num_classes); with T = 1, images. The stem is one
    convolution of 3x3 without a stride or pooling, and the four stages have the widths C, 2C, 4C and 8C. Frames are
    folded into the batch, so that norms see (B * T, H * W, C). Every norm is built as nn.BatchNorm2d and meant to be
    swapped (`clnorm.swap_norms`).

    Args:
        num_classes: outputs of the head.
        image_size: height and width of the frames, in pixels.
        num_frames: frames T of a clip.
        width: C.
    """

    expected_norm_sites = 1 + 2 * _BLOCKS * _STAGES + _STAGES - 1

    def __init__(self, num_classes: int, *, image_size: int, num_frames: int, width: int = 20) -> None:
        super().__init__()
        self.input_shape = (num_frames, 3, image_size, image_size)
        self.conv1, self.bn1 = _convolve(3, width), nn.BatchNorm2d(width)
        widths = [width, *(width * 2**stage for stage in range(_STAGES))]
        self.stages = nn.Sequential(
            *(
                BasicBlock(outputs if block else inputs, outputs, stride=2 if stage and not block else 1)
                for stage, (inputs, outputs) in enumerate(pairwise(widths))
                for block in range(_BLOCKS)
            )
        )
        self.head = nn.Linear(widths[-1], num_classes)
        self.init_weights()

    def forward(self, clips: Tensor) -> Tensor:
        logits: Tensor = self.head(self.forward_features(clips))
        return logits

    def forward_features(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) to features (B, 8C): what the head and nearest-mean classifiers see."""
        require_clips(clips, self.input_shape)
        frames = self.stages(F.relu(self.bn1(self.conv1(clips.flatten(0, 1)))))  # (B * T, 8C, H / 8, W / 8)
        features: Tensor = frames.mean(dim=(2, 3)).unflatten(0, clips.shape[:2]).mean(dim=1)
        return features

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew from `generator`, or from torch's global one; the head starts at zero.

        Convolutions are Kaiming-normal by their outputs, as in torchvision; the code of GEM has torch's own defaults.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)


resnet18 = ResNet18  # as the catalogue calls it
