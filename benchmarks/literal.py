"""LS-ViT as one would type its definition in: what `clnorm`'s own modules are measured against.

Differences by `roll`, SMIF as a 1x1 convolution, patches as a convolution, attention written out or fused. It shares no
code with `clnorm.models`, but names its weights alike, so that both can hold the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LiteralSMIF(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(0.5))
        self.fuse = nn.Conv2d(6, 3, 1)

    def forward(self, clips: Tensor) -> Tensor:
        motion = torch.zeros_like(clips)
        for offset in (1, 2):
            after, before = torch.roll(clips, -offset, 1), torch.roll(clips, offset, 1)
            after[:, -offset:], before[:, :offset] = clips[:, -offset:], clips[:, :offset]
            motion = motion + (after - clips).abs() + (clips - before).abs()
        motion = motion / 2
        motion = motion * (motion > 0.05).float()
        fused = self.fuse(torch.cat([clips, motion], 2).flatten(0, 1)).view_as(clips)
        return torch.clamp(clips + torch.tanh(self.alpha) * fused, -1, 1)


class LiteralLMI(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(width, width // 4)
        self.norm = nn.LayerNorm(width // 4, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width // 4, width // 4), nn.GELU(), nn.Linear(width // 4, width // 4))
        self.expand = nn.Linear(width // 4, width)
        self.delta = nn.Parameter(torch.tensor(0.1))

    def forward(self, tokens: Tensor) -> Tensor:
        q = self.reduce(tokens)
        forward, backward = torch.roll(q, -1, 1) - q, torch.roll(q, 1, 1) - q
        forward = torch.cat([forward[:, :-1], forward[:, -2:-1]], 1)
        backward = torch.cat([(q[:, 0] - q[:, 1])[:, None], backward[:, 1:]], 1)
        motion = (forward.abs() + backward.abs()).mean(2)
        gate = self.expand(torch.sigmoid(self.mlp(self.norm(motion)))).unsqueeze(2)
        return tokens + torch.tanh(self.delta) * tokens * gate


class LiteralBlock(nn.Module):
    def __init__(self, width: int, heads: int, *, fused: bool) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.lmi = LiteralLMI(width)

    def attention(self, x: Tensor) -> Tensor:
        frames, positions, width = x.shape
        qkv = self.attn["qkv"](x).reshape(frames, positions, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv
        if self.fused:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            mixed = torch.softmax(query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5, dim=-1) @ value
        return self.attn["proj"](mixed.transpose(1, 2).reshape(frames, positions, width))

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))
        return self.lmi(x.unflatten(0, shape)).flatten(0, 1)


class LiteralLSViT(nn.Module):
    """Clips (B, T, 3, H, W) to logits (B, num_classes), at ViT-Tiny's size."""

    def __init__(self, *, image_size: int, num_classes: int, fused: bool) -> None:
        super().__init__()
        width = 192
        self.smif = LiteralSMIF()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, 16, 16)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (image_size // 16) ** 2, width))
        self.blocks = nn.ModuleList(LiteralBlock(width, 3, fused=fused) for _ in range(12))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        shape = (clips.shape[0], clips.shape[1])
        patches = self.patch_embed["proj"](self.smif(clips).flatten(0, 1)).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x, shape)
        return self.head(self.norm(x)[:, 0].unflatten(0, shape).mean(1))
