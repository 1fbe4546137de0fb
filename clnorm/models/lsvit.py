"""The Vision Transformer over frames, with LS-ViT's motion modules or without them.

Source: Chen et al., Frontiers in Neurorobotics 2024, doi 10.3389/fnbot.2024.1457843 (see `motion.py`).
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.models.motion import LMI, SMIF
from clnorm.models.signed import MotionFrames, SignedLMI, SignedSMIF
from clnorm.models.vit import MLP, Attention, DropPath, PatchEmbed, require_clips

# (variant, smif): what makes the module before the patches, and, for a width, the one after each block.
_MOTION: dict[tuple[str, str], tuple[Callable[[], nn.Module], Callable[[int], nn.Module]]] = {
    ("vit", "pixels"): (nn.Identity, lambda width: nn.Identity()),
    ("lsvit", "pixels"): (SMIF, LMI),
    ("lsvit_signed", "pixels"): (SignedSMIF, SignedLMI),
    ("lsvit_signed", "frames"): (MotionFrames, partial(SignedLMI, streams=2)),
}
_SIZES = {
    "nano": {"width": 96, "depth": 4, "heads": 3, "patch_size": 8},
    "tiny": {"width": 192, "depth": 12, "heads": 3, "patch_size": 16},
    "small": {"width": 384, "depth": 12, "heads": 6, "patch_size": 16},
    "base": {"width": 768, "depth": 12, "heads": 12, "patch_size": 16},
}


class Block(nn.Module):
    """x += DropPath(Attn(norm1 x)); x += DropPath(MLP(norm2 x)); x = LMI(x), on tokens (B, T, N, C)."""

    linear_after: ClassVar[Mapping[str, str]] = {"norm1": "attn.qkv", "norm2": "mlp.fc1"}

    def __init__(
        self, width: int, *, heads: int, drop_path: DropPath, dropout: float, ffn_bn: bool, lmi: nn.Module
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads=heads, dropout=dropout)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, dropout=dropout, ffn_bn=ffn_bn)
        self.drop_path = drop_path
        self.lmi = lmi

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        tokens = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        out: Tensor = self.lmi(tokens)
        return out


class VideoViT(nn.Module):
    """A Vision Transformer over the frames of a clip: `vit`, `lsvit` or `lsvit_signed`.

    Shapes: clips (B, T, 3, H, W), floats in [-1, 1], to logits (B, num_classes). The class token of every frame passes
    the final norm; their mean over time enters the linear head. `vit` sees each frame alone. `lsvit` has SMIF before
    the patches and LMI after every block, and cannot tell a clip from its reversal; `lsvit_signed` can (`signed.py`),
    and adds a learned position in time to its tokens. With `smif="frames"` half of what it shows to the network is
    motion (`MotionFrames`), and the head sees the means of both halves, (B, 2C).

    Every norm is built as LayerNorm and meant to be swapped (`clnorm.swap_norms`); `expected_norm_sites` of them exist.
    The weights are drawn from torch's global generator, as those of torch's own layers; `init_weights` draws them anew.
    The named sizes, such as `clnorm.models.lsvit_tiny`, take what follows `patch_size` below.

    Args:
        variant: which of the three.
        width: C.
        depth: blocks.
        heads: of each attention.
        patch_size: height and width of a patch, in pixels.
        num_classes: outputs of the head.
        image_size: height and width of the frames, in pixels.
        num_frames: frames T of a clip.
        drop_path: stochastic depth at the last block, rising linearly from 0.
        drop_path_per: `clip` or `frame`, what skips a block as one.
        dropout: after attention and in the MLP.
        ffn_bn: whether each MLP has a Batch Normalization of its own, which is no norm site (`FFNBN`).
        smif: where `lsvit_signed` has the motion of neighbouring frames: in the `pixels` of each, or in `frames`.

    Attributes:
        kept_blocks: how many first blocks clips have passed already where they come as tokens (B, T, N, C).

    Raises:
        UserError: an image size that the patch size does not divide, motion frames of an odd number of frames, or a
            variant that there is not, or not with this `smif`.
    """

    linear_after: ClassVar[Mapping[str, str]] = {"norm": "head"}

    def __init__(
        self,
        variant: str,
        *,
        width: int,
        depth: int,
        heads: int,
        patch_size: int,
        num_classes: int,
        image_size: int,
        num_frames: int,
        drop_path: float = 0.1,
        drop_path_per: str = "clip",
        dropout: float = 0.0,
        ffn_bn: bool = False,
        smif: str = "pixels",
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            below = max(image_size // patch_size, 1) * patch_size
            raise UserError(
                f"{image_size} is no multiple of the backbone's patch size {patch_size}",
                where="data.image_size",
                legal=f"{below}, {below + patch_size}, ...",
            )
        if smif == "frames" and num_frames % 2:
            legal = f"an even number, as {max(num_frames - 1, 2)}"
            hint = "or name a backbone without smif=frames"
            what = f"smif=frames takes frames two by two, not {num_frames}"
            raise UserError(what, where="data.frames", legal=legal, hint=hint)
        if (variant, smif) not in _MOTION:
            legal = ", ".join(f"{name} with smif={where}" for name, where in _MOTION)
            raise UserError(f"there is no {variant!r} with smif={smif}", where="backbone", legal=legal)
        make_smif, make_lmi = _MOTION[variant, smif]
        self._streams = 2 if smif == "frames" else 1
        self.input_shape = (num_frames, 3, image_size, image_size)
        self.smif = make_smif()
        self.patch_embed = PatchEmbed(patch_size=patch_size, width=width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (image_size // patch_size) ** 2, width))
        if variant == "lsvit_signed":
            self.time_embed = nn.Parameter(torch.zeros(1, num_frames, 1, width))
        rates = (drop_path * index / max(depth - 1, 1) for index in range(depth))
        self.blocks = nn.ModuleList(
            Block(
                width,
                heads=heads,
                drop_path=DropPath(rate, per_frame=drop_path_per == "frame"),
                dropout=dropout,
                ffn_bn=ffn_bn,
                lmi=make_lmi(width),
            )
            for rate in rates
        )
        # What pretrained weights do not have, beside the motion modules and the head.
        self.kept_blocks = 0
        self.added_tensors = tuple(name for name in self.blocks.state_dict(prefix="blocks.") if ".mlp.bn." in name)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(self._streams * width, num_classes)
        self.expected_norm_sites = (2 if variant == "vit" else 3) * depth + 1
        self.init_weights()

    def forward(self, clips: Tensor) -> Tensor:
        logits: Tensor = self.head(self.forward_features(clips))
        return logits

    def forward_features(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) to features (B, C), or (B, 2C) of motion frames, too.

        They are what the head and nearest-mean classifiers see. With `kept_blocks`, what `forward_first` made of clips
        may take their place.
        """
        kept = self.kept_blocks
        tokens = clips if kept and clips.ndim == 4 else self.forward_first(clips, kept)
        for block in self.blocks[kept:]:
            tokens = block(tokens)
        # Every token passes the norm, although the class tokens alone are read: batch statistics are those of a site.
        features: Tensor = self.norm(tokens)[:, :, 0].unflatten(1, (self._streams, -1)).mean(dim=2).flatten(1)
        return features

    def forward_first(self, clips: Tensor, count: int) -> Tensor:
        """Clips (B, T, 3, H, W) to tokens (B, T, 1 + HW/p^2, C), as they are after the first `count` blocks."""
        require_clips(clips, self.input_shape)
        tokens = self._embed(self.smif(clips))
        for block in self.blocks[:count]:
            tokens = block(tokens)
        return tokens

    def _embed(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) to tokens (B, T, 1 + HW/p^2, C): class token and patches, each with its position."""
        patches = self.patch_embed(clips)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        tokens = tokens.view(*clips.shape[:2], *tokens.shape[1:])
        return tokens + self.time_embed if hasattr(self, "time_embed") else tokens

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew from `generator`; norms draw nothing, so every norm starts from the same weights.

        Without one they come from torch's global generator.

        Linear layers are Xavier-uniform as in the original ViT, the patch projection as its flattened linear layer.
        The head starts at zero, and so does the position in time.
        """
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                fan_in, fan_out = module.weight[0].numel(), module.weight.shape[0]
                bound = math.sqrt(6 / (fan_in + fan_out))
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
        self.cls_token.normal_(std=0.02, generator=generator)
        self.pos_embed.normal_(std=0.02, generator=generator)
        self.head.weight.zero_()


def _sizes(variant: str, **settled: str) -> list[partial[VideoViT]]:
    return [partial(VideoViT, variant, **size, **settled) for size in _SIZES.values()]  # type: ignore[arg-type]


vit_nano, vit_tiny, vit_small, vit_base = _sizes("vit", smif="pixels")
lsvit_nano, lsvit_tiny, lsvit_small, lsvit_base = _sizes("lsvit", smif="pixels")
lsvit_signed_nano, lsvit_signed_tiny, lsvit_signed_small, lsvit_signed_base = _sizes("lsvit_signed")
