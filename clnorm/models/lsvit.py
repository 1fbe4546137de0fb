"""LS-ViT: a per-frame Vision Transformer that sees motion through SMIF and LMI.

Source: Chen et al., Frontiers in Neurorobotics 2024, doi 10.3389/fnbot.2024.1457843 (see `motion.py`).
"""

import math

import torch
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.models.motion import LMI, SMIF
from clnorm.models.vit import MLP, Attention, DropPath, PatchEmbed


class Block(nn.Module):
    """x += DropPath(Attn(norm1 x)); x += DropPath(MLP(norm2 x)); x = LMI(x), on tokens (B, T, N, C)."""

    def __init__(self, width: int, *, heads: int, drop_path: float, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads=heads, dropout=dropout)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, dropout=dropout)
        self.drop_path = DropPath(drop_path)
        self.lmi = LMI(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        tokens = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        out: Tensor = self.lmi(tokens)
        return out


class LSViT(nn.Module):
    """LS-ViT for clips of `num_frames` frames.

    Shapes: clips (B, T, 3, H, W), floats in [-1, 1], to logits (B, num_classes). The class token of every frame passes
    the final norm; their mean over time enters the linear head.

    Every norm is built as LayerNorm and meant to be swapped (`clnorm.swap_norms`); `expected_norm_sites` of them exist.
    The definition has no sense of direction in time: a clip played backwards gets the same logits.

    Raises:
        UserError: an image size that the patch size does not divide.
    """

    def __init__(
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        patch_size: int,
        num_classes: int,
        image_size: int,
        num_frames: int,
        drop_path: float,
        dropout: float,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            below = image_size // patch_size * patch_size
            raise UserError(
                f"{image_size} is no multiple of the backbone's patch size {patch_size}",
                where="data.image_size",
                legal=f"{max(below, patch_size)}, {below + patch_size}, ...",
            )
        self.input_shape = (num_frames, 3, image_size, image_size)
        self.smif = SMIF()
        self.patch_embed = PatchEmbed(image_size=image_size, patch_size=patch_size, width=width)
        rates = [drop_path * index / max(depth - 1, 1) for index in range(depth)]
        self.blocks = nn.ModuleList(Block(width, heads=heads, drop_path=rate, dropout=dropout) for rate in rates)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, num_classes)
        self.expected_norm_sites = 3 * depth + 1

    def forward(self, clips: Tensor) -> Tensor:
        logits: Tensor = self.head(self.forward_features(clips))
        return logits

    def forward_features(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) to features (B, C): what the head and nearest-mean classifiers see."""
        if clips.ndim != 5 or clips.shape[1:] != self.input_shape:
            raise ValueError(f"clips have shape {tuple(clips.shape)}, not (B, {', '.join(map(str, self.input_shape))})")
        tokens = self.patch_embed(self.smif(clips))
        for block in self.blocks:
            tokens = block(tokens)
        # Every token passes the norm, although the class tokens alone are read: batch statistics are those of a site.
        features: Tensor = self.norm(tokens)[:, :, 0].mean(dim=1)
        return features

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Draw all weights anew from `generator`; norms draw nothing, so every norm starts from the same weights.

        Linear layers are Xavier-uniform as in the original ViT, the patch projection as its flattened linear layer.
        """
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                fan_in, fan_out = module.weight[0].numel(), module.weight.shape[0]
                bound = math.sqrt(6 / (fan_in + fan_out))
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
        self.patch_embed.cls_token.normal_(std=0.02, generator=generator)
        self.patch_embed.pos_embed.normal_(std=0.02, generator=generator)
        self.head.weight.zero_()


def lsvit_nano(**options: object) -> LSViT:
    """Width 96, depth 4, 3 heads, patch 8: made for CPUs and small frames."""
    return LSViT(width=96, depth=4, heads=3, patch_size=8, **options)  # type: ignore[arg-type]


def lsvit_tiny(**options: object) -> LSViT:
    """Width 192, depth 12, 3 heads, patch 16: the size of ViT-Tiny."""
    return LSViT(width=192, depth=12, heads=3, patch_size=16, **options)  # type: ignore[arg-type]


def lsvit_small(**options: object) -> LSViT:
    """Width 384, depth 12, 6 heads, patch 16: the size of ViT-Small."""
    return LSViT(width=384, depth=12, heads=6, patch_size=16, **options)  # type: ignore[arg-type]


def lsvit_base(**options: object) -> LSViT:
    """Width 768, depth 12, 12 heads, patch 16: the size of ViT-Base."""
    return LSViT(width=768, depth=12, heads=12, patch_size=16, **options)  # type: ignore[arg-type]
