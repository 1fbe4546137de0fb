"""The two motion modules of LS-ViT: SMIF on pixels, LMI on tokens.

Source: Chen, Wu, Chen, Jin, "LS-VIT: Vision Transformer for action recognition based on long and short-term temporal
difference", Frontiers in Neurorobotics 2024, doi 10.3389/fnbot.2024.1457843, in the definition that its public
re-implementations share (no official code is known). Both take absolute differences, and so do not see which way time
runs; `signed.py` has the variants that do.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

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
        return mix_pixels(clips, self.motion, gain=torch.tanh(self.alpha), fuse=self.fuse, joined=True)

    def motion(self, clips: Tensor) -> Tensor:
        """The thresholded motion map M, (B, T, 3, H, W) in [0, 4]."""
        total = torch.zeros_like(clips)
        for offset in range(1, min(self.reach, clips.shape[1] - 1) + 1):
            change = (clips[:, offset:] - clips[:, :-offset]).abs()
            total[:, :-offset] += change
            total[:, offset:] += change
        return F.threshold(total / self.reach, self.threshold, 0.0)


def mix_pixels(
    clips: Tensor, motion: Callable[[Tensor], Tensor], *, gain: Tensor, fuse: nn.Conv2d, joined: bool
) -> Tensor:
    """clamp(v + gain * Conv1x1(m), -1, 1), where m is the motion of v, or [v; motion] if they are `joined`.

    Computed in float32, under autocast too: differences of neighbouring frames are small numbers.

    Args:
        clips: v, (B, T, 3, H, W).
        motion: from v to its motion (B, T, M, H, W); without parameters, since it is computed twice.
        gain: a scalar.
        fuse: from M or 3 + M channels to 3.
        joined: whether the convolution sees v, too, as its first three channels.
    """
    with torch.autocast(clips.device.type, enabled=False):
        weight = gain * fuse.weight[:, :, 0, 0]
        identity = torch.eye(3, dtype=clips.dtype, device=clips.device)
        own, other = (identity + weight[:, :3], weight[:, 3:]) if joined else (identity, weight)
        mixed: Tensor = _MixPixels.apply(clips, motion, own, other, gain * fuse.bias)  # type: ignore[operator]
    return mixed


class _MixPixels(torch.autograd.Function):
    """clamp(A v + B m(v) + b, -1, 1) at every pixel, as one matrix product a frame.

    A convolution of so few channels takes five times as long. Written out for memory: of the clamp it keeps one byte a
    pixel; the motion, up to four times as large as the clips, is computed again in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, motion: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, bias: Tensor) -> Tensor:
        """v (B, T, 3, H, W), motion from v to (B, T, M, H, W), a (3, 3), b (3, M), bias (3,)."""
        frames, others = _flatten(v), _flatten(motion(v))
        count = len(frames)
        mixed = torch.baddbmm(bias[None, :, None].expand(count, 3, 1), a.expand(count, -1, -1), frames)
        mixed.baddbmm_(b.expand(count, -1, -1), others)
        ctx.save_for_backward(v, a, b, mixed.abs() <= 1)
        ctx.motion = motion
        return mixed.clamp_(-1, 1).view(v.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        v, a, b, inside = ctx.saved_tensors
        grad = grad.reshape(inside.shape) * inside
        count, share = len(grad), None
        with torch.set_grad_enabled(ctx.needs_input_grad[0]):
            source = v.detach().requires_grad_(ctx.needs_input_grad[0])
            moved = ctx.motion(source)
        if ctx.needs_input_grad[0]:
            share = torch.bmm(a.T.expand(count, -1, -1), grad).view(v.shape)
            through = torch.bmm(b.T.expand(count, -1, -1), grad).view(moved.shape)
            if moved.requires_grad:  # a single frame has no neighbour to move from
                share = share + torch.autograd.grad(moved, source, through)[0]
        products = (torch.bmm(grad, _flatten(pixels).transpose(1, 2)).sum(0) for pixels in (v, moved.detach()))
        return (share, None, *products, grad.sum((0, 2)))


def _flatten(pixels: Tensor) -> Tensor:
    """(B, T, M, H, W) as (B*T, M, H*W)."""
    return pixels.flatten(0, 1).flatten(2)


class LMI(nn.Module):
    """Long-term Motion Interaction: scales the channels of each frame's tokens by how much the frame changes.

        q = W_r x;  f_t = q_{t+1} - q_t (the last repeated);  b_t = q_{t-1} - q_t (the first is q_1 - q_2);  T = 1: 0
        m = mean_N(|f| + |b|);  u = Lin(GELU(Lin(norm m)));  g = W_e sigmoid(u) + b_e;  y = x + tanh(delta) * x * g

    Shapes: tokens (B, T, N, C) to the same. `norm` sees (B, T, 1, C / reduction): one position a frame. At T = 1
    there is no motion, and `reduce` gets no gradient.
    """

    linear_after: ClassVar[Mapping[str, str]] = {"norm": "mlp.0"}

    def __init__(self, width: int, *, reduction: int = 4, delta: float = 0.1) -> None:
        super().__init__()
        inner = width // reduction
        self.reduce = nn.Linear(width, inner)
        self.norm = nn.LayerNorm(inner, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(inner, inner), nn.GELU(), nn.Linear(inner, inner))
        self.expand = nn.Linear(inner, width)
        self.delta = nn.Parameter(torch.tensor(delta))

    def forward(self, tokens: Tensor) -> Tensor:
        factor = cast_for_products(tokens)
        motion = _mean_change(self.reduce(factor))
        gate = self.expand(torch.sigmoid(self.mlp(self.norm(motion))))
        return scale_tokens(tokens, factor, torch.tanh(self.delta) * gate)


def cast_for_products(tokens: Tensor) -> Tensor:
    """Tokens in the dtype that autocast multiplies matrices in; outside of it, the same tensor."""
    device = tokens.device.type
    return tokens.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else tokens


def scale_tokens(tokens: Tensor, factor: Tensor, gain: Tensor) -> Tensor:
    """x * (1 + gain), keeping for the gradient of the gain what `cast_for_products` gave, and no float32 copy of x.

    Args:
        tokens: x, (B, T, N, C).
        factor: the same in the dtype of products, which `reduce` keeps anyway.
        gain: (B, T, 1, C).
    """
    scaled: Tensor = _ScaleTokens.apply(tokens, factor.detach(), gain)
    return scaled


class _ScaleTokens(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tokens: Tensor, factor: Tensor, gain: Tensor) -> Tensor:
        ctx.save_for_backward(factor, gain)
        return tokens * (1 + gain)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, Tensor]:
        factor, gain = ctx.saved_tensors
        return grad * (1 + gain), None, (grad * factor).sum(dim=2, keepdim=True).to(gain.dtype)


def _mean_change(reduced: Tensor) -> Tensor:
    """mean_N(|f| + |b|) of tokens (B, T, N, C'): (B, T, 1, C')."""
    if reduced.shape[1] == 1:
        return torch.zeros_like(reduced[:, :, :1])
    # |f_t| and |b_{t+1}| are the same difference, so it is formed and averaged once: (B, T-1, 1, C').
    step = (reduced[:, 1:] - reduced[:, :-1]).abs().mean(dim=2, keepdim=True)
    forward = torch.cat([step, step[:, -1:]], dim=1)
    backward = torch.cat([step[:, :1], step], dim=1)
    return forward + backward
