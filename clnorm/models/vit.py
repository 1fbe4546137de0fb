"""The Vision Transformer parts that LS-ViT is made of, on tokens (B, T, N, C): N positions of each of T frames.

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021; stochastic depth from Huang et al., ECCV 2016.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchEmbed(nn.Module):
    """Frames (B, T, 3, H, W) to tokens (B, T, 1 + HW/p^2, C): patches, a class token, learned positions."""

    def __init__(self, *, image_size: int, patch_size: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (image_size // patch_size) ** 2, width))

    def forward(self, clips: Tensor) -> Tensor:
        patches = self.proj(clips.flatten(0, 1)).flatten(2).transpose(1, 2)  # (B*T, N-1, C)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        return tokens.unflatten(0, clips.shape[:2])


class Attention(nn.Module):
    """Multi-head self-attention among the tokens of one frame: (B, T, N, C) to the same."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, frames, positions, width = tokens.shape
        qkv = self.qkv(tokens).view(batch * frames, positions, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B*T, heads, N, C / heads)
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout if self.training else 0.0)
        mixed = self.proj(mixed.transpose(1, 2).reshape(tokens.shape))
        return F.dropout(mixed, self.dropout, self.training)


class MLP(nn.Module):
    """Two linear layers with a GELU between them, four times as wide inside: (..., C) to the same."""

    def __init__(self, width: int, *, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.dropout(self.fc2(self.dropout(F.gelu(self.fc1(tokens)))))


class DropPath(nn.Module):
    """Stochastic depth: in training, leaves a residual branch out for a whole clip with probability `rate`.

    The mask is one draw a clip, not a frame: a frame that skips a block would look like motion to LMI.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return branch
        kept = torch.rand(len(branch), 1, 1, 1, device=branch.device) >= self.rate
        return branch * (kept / (1 - self.rate)).to(branch.dtype)
