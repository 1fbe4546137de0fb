"""LS-ViT's motion modules with the direction of time left in: the variant `lsvit_signed`, which is clnorm's own.

The published modules (`motion.py`) take absolute differences and are blind to reversing time, so they cannot tell
sitting down from standing up. These keep the sign, as TDN, TEA and ACTION-Net do, and both start as the identity, so
that a pretrained Vision Transformer starts unharmed.
"""

import torch
from torch import Tensor, nn

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


class SignedLMI(nn.Module):
    """LMI with signed differences and a gate that is centred at zero.

        q = W_r x;  f_t = q_{t+1} - q_t (the last repeated);  b_t = q_{t-1} - q_t (the first is q_1 - q_2);  T = 1: 0
        m = mean_N [f; b];  u = Lin(GELU(Lin(norm m)));  g = sigmoid(W_e u + b_e) - 1/2;  y = x + tanh(delta) * x * g

    with delta = 0 at the start. Shapes: tokens (B, T, N, C) to the same. `norm` sees (B, T, 1, 2C / reduction).
    """

    def __init__(self, width: int, *, reduction: int = 4) -> None:
        super().__init__()
        inner = width // reduction
        self.reduce = nn.Linear(width, inner)
        self.norm = nn.LayerNorm(2 * inner, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(2 * inner, inner), nn.GELU(), nn.Linear(inner, inner))
        self.expand = nn.Linear(inner, width)
        self.delta = nn.Parameter(torch.tensor(0.0))

    def forward(self, tokens: Tensor) -> Tensor:
        # Reducing is linear, so the mean over positions may go first.
        motion = _mean_differences(self.reduce(tokens.mean(dim=2, keepdim=True)))
        gate = torch.sigmoid(self.expand(self.mlp(self.norm(motion)))) - 0.5
        return scale_tokens(tokens, cast_for_products(tokens), torch.tanh(self.delta) * gate)


def _mean_differences(reduced: Tensor) -> Tensor:
    """[f; b] of (B, T, 1, C'): (B, T, 1, 2C')."""
    if reduced.shape[1] == 1:
        return torch.zeros_like(torch.cat([reduced, reduced], dim=3))
    step = reduced[:, 1:] - reduced[:, :-1]
    forward = torch.cat([step, step[:, -1:]], dim=1)
    backward = torch.cat([-step[:, :1], -step], dim=1)
    return torch.cat([forward, backward], dim=3)
