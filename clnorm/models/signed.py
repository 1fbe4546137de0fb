"""LS-ViT's motion modules with the direction of time left in: the variant `lsvit_signed`, which is clnorm's own.

The published modules (`motion.py`) take absolute differences and are blind to reversing time, so they cannot tell
sitting down from standing up. These keep the sign, as TDN, TEA and ACTION-Net do, and leave a pretrained Vision
Transformer unharmed at the start.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.models.motion import cast_for_products, mix_pixels, scale_tokens


class SignedSMIF(nn.Module):
    """SMIF on signed differences.

    With a neighbour out of range replaced by v_t itself, alpha = 0 at the start:

        D_t = [v_{t+1} - v_t; v_t - v_{t-1}; v_{t+2} - v_t; v_t - v_{t-2}]
        v'_t = clamp(v_t + tanh(alpha) * Conv1x1(D_t), -1, 1)

    Shapes: (B, T, 3, H, W) in [-1, 1] to the same.
    """

    def __init__(self, *, reach: int = 2) -> None:
        super().__init__()
        self.reach = reach
        self.alpha = nn.Parameter(torch.tensor(0.0))
        self.fuse = nn.Conv2d(6 * reach, 3, kernel_size=1)

    def forward(self, clips: Tensor) -> Tensor:
        return mix_pixels(clips, self.motion, gain=torch.tanh(self.alpha), fuse=self.fuse, joined=False)

    def motion(self, clips: Tensor) -> Tensor:
        """The differences D, (B, T, 12, H, W)."""
        batch, frames, _, height, width = clips.shape
        differences = clips.new_zeros(batch, frames, 2 * self.reach, 3, height, width)
        for offset in range(1, min(self.reach, frames - 1) + 1):
            change = clips[:, offset:] - clips[:, :-offset]
            differences[:, :-offset, 2 * offset - 2] = change
            differences[:, offset:, 2 * offset - 1] = change
        return differences.flatten(2, 3)


class MotionFrames(nn.Module):
    """What `smif=frames` has in SMIF's place: motion as frames of its own, beside those that it is the motion of.

    Of each two frames the later one stays, and their difference takes the other one's place:

        v_1 .. v_T  becomes  v_2, v_4 .. v_T; v_2 - v_1, v_4 - v_3 .. v_T - v_{T-1}

    Shapes: (B, T, 3, H, W) in [-1, 1] with an even T to the same, the differences in [-2, 2] and not clamped. At T = 2
    each half is a single frame, so that the `SignedLMI` behind has no motion, and its `reduce` gets no gradient.

    Sources: frame and motion as two streams, averaged apart: Simonyan and Zisserman, "Two-Stream Convolutional Networks
    for Action Recognition in Videos", NeurIPS 2014, here with one set of weights; differences of neighbouring frames as
    the motion: Wang et al., "Temporal Segment Networks", ECCV 2016 ("RGB difference").

    Raises:
        UserError: an odd T.
    """

    def forward(self, clips: Tensor) -> Tensor:
        if clips.shape[1] % 2:
            what = f"motion frames take frames two by two, not {clips.shape[1]}"
            raise UserError(what, where="MotionFrames", legal="clips (B, T, 3, H, W) with an even T")
        earlier, later = clips[:, ::2], clips[:, 1::2]
        return torch.cat([later, later - earlier], dim=1)


class SignedLMI(nn.Module):
    """LMI with signed differences and a gate that is centred at zero.

        q = W_r x;  f_t = q_{t+1} - q_t (the last repeated);  b_t = q_{t-1} - q_t (the first is q_1 - q_2);  T = 1: 0
        m = mean_N [f; b];  u = Lin(GELU(Lin(norm m)));  g = sigmoid(W_e u + b_e) - 1/2;  y = x + tanh(delta) * x * g

    with delta = 0 at the start. Shapes: tokens (B, T, N, C) to the same. `norm` sees (B, T, 1, 2C / reduction).

    Args:
        streams: into how many runs of equal length, each with its own first and last frame, the T frames fall. In a
            run of one frame there is no motion, and `reduce` gets no gradient.
    """

    linear_after: ClassVar[Mapping[str, str]] = {"norm": "mlp.0"}

    def __init__(self, width: int, *, reduction: int = 4, streams: int = 1) -> None:
        super().__init__()
        self.streams = streams
        inner = width // reduction
        self.reduce = nn.Linear(width, inner)
        self.norm = nn.LayerNorm(2 * inner, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(2 * inner, inner), nn.GELU(), nn.Linear(inner, inner))
        self.expand = nn.Linear(inner, width)
        self.delta = nn.Parameter(torch.tensor(0.0))

    def forward(self, tokens: Tensor) -> Tensor:
        # Reducing is linear, so the mean over positions may go first.
        reduced = self.reduce(tokens.mean(dim=2, keepdim=True))
        motion = _mean_differences(reduced.unflatten(1, (self.streams, -1))).flatten(1, 2)
        gate = torch.sigmoid(self.expand(self.mlp(self.norm(motion)))) - 0.5
        return scale_tokens(tokens, cast_for_products(tokens), torch.tanh(self.delta) * gate)


def _mean_differences(reduced: Tensor) -> Tensor:
    """[f; b] of (B, S, T, 1, C'), S streams: (B, S, T, 1, 2C')."""
    if reduced.shape[2] == 1:
        return torch.zeros_like(torch.cat([reduced, reduced], dim=4))
    step = reduced[:, :, 1:] - reduced[:, :, :-1]
    forward = torch.cat([step, step[:, :, -1:]], dim=2)
    backward = torch.cat([-step[:, :, :1], -step], dim=2)
    return torch.cat([forward, backward], dim=4)
