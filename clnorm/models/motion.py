"""The two motion modules of LS-ViT: SMIF on pixels, LMI on tokens.

Source: Chen, Wu, Chen, Jin, "LS-VIT: Vision Transformer for action recognition based on long and short-term temporal
difference", Frontiers in Neurorobotics 2024, doi 10.3389/fnbot.2024.1457843, in the definition that its public
re-implementations share (no official code is known). Both take absolute differences, and so do not see which way time
runs; `signed.py` has the variants that do.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SMIF(nn.Module):
    """Short-term Motion Information Fusion: marks the pixels that change between neighbouring frames.

    With h = (window - 1) / 2 and a neighbour out of range replaced by v_t itself:

        M_t = 1/h sum_{o=1..h} (|v_{t+o} - v_t| + |v_t - v_{t-o}|),  then  M_t = M_t * 1[M_t > threshold]
        v'_t = clamp(v_t + tanh(alpha) * Conv1x1([v_t; M_t]), -1, 1)

    Shapes: (B, T, 3, H, W) in [-1, 1] to the same.
    """

    def __init__(self, *, window: int = 5, threshold: float = 0.05, alpha: float = 0.5) -> None:
        super().__init__()
        self.reach = (window - 1) // 2
        self.threshold = threshold
        self.alpha = nn.Parameter(torch.tensor(alpha))
        self.fuse = nn.Conv2d(6, 3, kernel_size=1)

    def forward(self, clips: Tensor) -> Tensor:
        return mix_pixels(clips, self.motion(clips), gain=torch.tanh(self.alpha), fuse=self.fuse)

    def motion(self, clips: Tensor) -> Tensor:
        """The thresholded motion map M, (B, T, 3, H, W) in [0, 4]."""
        total = torch.zeros_like(clips)
        for offset in range(1, min(self.reach, clips.shape[1] - 1) + 1):
            change = (clips[:, offset:] - clips[:, :-offset]).abs()
            total[:, :-offset] += change
            total[:, offset:] += change
        return F.threshold(total / self.reach, self.threshold, 0.0)


def mix_pixels(clips: Tensor, motion: Tensor, *, gain: Tensor, fuse: nn.Conv2d) -> Tensor:
    """clamp(v + gain * Conv1x1(m), -1, 1), where m is `motion`, or [v; motion] if `fuse` has channels for both.

    Computed in float32, under autocast too: differences of neighbouring frames are small numbers.

    Args:
        clips: v, (B, T, 3, H, W).
        motion: (B, T, M, H, W).
        gain: a scalar.
        fuse: from M or 3 + M channels to 3.
    """
    with torch.autocast(clips.device.type, enabled=False):
        weight = gain * fuse.weight[:, :, 0, 0]
        own, other = weight.split([weight.shape[1] - motion.shape[2], motion.shape[2]], dim=1)
        own = torch.eye(3, dtype=clips.dtype, device=clips.device) + (own if own.shape[1] else 0)
        mixed: Tensor = _MixPixels.apply(clips, motion, own, other, gain * fuse.bias)  # type: ignore[operator]
    return mixed


class _MixPixels(torch.autograd.Function):
    """clamp(A v + B m + b, -1, 1) at every pixel, as one matrix product a frame.

    A convolution of so few channels takes five times as long. Written out for memory: of the clamp it keeps one byte a
    pixel, and it keeps [v; m] not joined, v being held by others anyway.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, m: Tensor, a: Tensor, b: Tensor, bias: Tensor) -> Tensor:
        """v (B, T, 3, H, W), m (B, T, M, H, W), a (3, 3), b (3, M), bias (3,)."""
        frames, others = v.flatten(0, 1).flatten(2), m.flatten(0, 1).flatten(2)  # (B*T, 3 or M, H*W)
        count = len(frames)
        mixed = torch.baddbmm(bias[None, :, None].expand(count, 3, 1), a.expand(count, -1, -1), frames)
        mixed.baddbmm_(b.expand(count, -1, -1), others)
        ctx.save_for_backward(frames, others, a, b, mixed.abs() <= 1)
        ctx.shapes = v.shape, m.shape
        return mixed.clamp_(-1, 1).view(v.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        frames, others, a, b, inside = ctx.saved_tensors
        grad = grad.reshape(inside.shape) * inside
        count = len(grad)
        shares = (
            torch.bmm(a.T.expand(count, -1, -1), grad).view(ctx.shapes[0]) if ctx.needs_input_grad[0] else None,
            torch.bmm(b.T.expand(count, -1, -1), grad).view(ctx.shapes[1]) if ctx.needs_input_grad[1] else None,
        )
        products = (torch.bmm(grad, pixels.transpose(1, 2)).sum(0) for pixels in (frames, others))
        return (*shares, *products, grad.sum((0, 2)))


class LMI(nn.Module):
    """Long-term Motion Interaction: scales the channels of each frame's tokens by how much the frame changes.

        q = W_r x;  f_t = q_{t+1} - q_t (the last repeated);  b_t = q_{t-1} - q_t (the first is q_1 - q_2);  T = 1: 0
        m = mean_N(|f| + |b|);  u = Lin(GELU(Lin(norm m)));  g = W_e sigmoid(u) + b_e;  y = x + tanh(delta) * x * g

    Shapes: tokens (B, T, N, C) to the same. `norm` sees (B, T, 1, C / reduction): one position a frame.
    """

    def __init__(self, width: int, *, reduction: int = 4, delta: float = 0.1) -> None:
        super().__init__()
        inner = width // reduction
        self.reduce = nn.Linear(width, inner)
        self.norm = nn.LayerNorm(inner, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(inner, inner), nn.GELU(), nn.Linear(inner, inner))
        self.expand = nn.Linear(inner, width)
        self.delta = nn.Parameter(torch.tensor(delta))

    def forward(self, tokens: Tensor) -> Tensor:
        motion = _mean_change(self.reduce(tokens))
        gate = self.expand(torch.sigmoid(self.mlp(self.norm(motion))))
        return tokens * (1 + torch.tanh(self.delta) * gate)


def _mean_change(reduced: Tensor) -> Tensor:
    """mean_N(|f| + |b|) of tokens (B, T, N, C'): (B, T, 1, C')."""
    if reduced.shape[1] == 1:
        return torch.zeros_like(reduced[:, :, :1])
    # |f_t| and |b_{t+1}| are the same difference, so it is formed and averaged once: (B, T-1, 1, C').
    step = (reduced[:, 1:] - reduced[:, :-1]).abs().mean(dim=2, keepdim=True)
    forward = torch.cat([step, step[:, -1:]], dim=1)
    backward = torch.cat([step[:, :1], step], dim=1)
    return forward + backward
