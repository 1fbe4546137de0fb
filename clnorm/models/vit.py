"""The Vision Transformer parts that the backbones are made of, on tokens (B, T, N, C): N positions of each of T frames.

Modules are named as in timm, so that its weights load by name.

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021; stochastic depth from Huang et al., ECCV 2016.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.norms.batch import BatchNorm
from clnorm.norms.context import StepContext
from clnorm.ranks import Part


def require_clips(clips: Tensor, shape: tuple[int, ...]) -> None:
    """Check that clips are floats of the shape (B, *shape).

    Raises:
        ValueError: they have another one, or are whole numbers, as pixels are before they become an input.
    """
    if not clips.is_floating_point():
        raise ValueError(f"clips are {clips.dtype}, not floats in [-1, 1], which are pixel value / 127.5 - 1")
    if clips.ndim != 5 or clips.shape[1:] != shape:
        raise ValueError(f"clips have shape {tuple(clips.shape)}, not (B, {', '.join(map(str, shape))})")


class PatchEmbed(nn.Module):
    """Frames (B, T, 3, H, W) to patches (B*T, HW/p^2, C).

    `proj` holds the weights as the convolution that they are in timm. Patches do not overlap, so it is computed as one
    matrix product, whose backward pass is cheaper.
    """

    def __init__(self, *, patch_size: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, clips: Tensor) -> Tensor:
        size = self.proj.kernel_size[0]
        frames = clips.flatten(0, 1).unflatten(3, (-1, size)).unflatten(2, (-1, size))  # (B*T, 3, H/p, p, W/p, p)
        patches = frames.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)  # (B*T, HW/p^2, 3*p*p)
        return F.linear(patches, self.proj.weight.flatten(1), self.proj.bias)


class Attention(nn.Module):
    """Multi-head self-attention among the tokens of one frame: (B, T, N, C) to the same.

    `fused` says whether torch's `scaled_dot_product_attention` computes it, or matrix products written out, which are
    the faster ones in bf16 on some CPUs; both give the same up to rounding.
    """

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout, self.fused = heads, dropout, True
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, frames, positions, width = tokens.shape
        qkv = self.qkv(tokens).view(batch * frames, positions, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (B*T, heads, N, C / heads)
        dropout = self.dropout if self.training else 0.0
        if self.fused:
            mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        else:
            scores = (query * (1 / math.sqrt(query.shape[-1]))) @ key.transpose(-2, -1)
            mixed = F.dropout(scores.softmax(dim=-1), dropout) @ value
        mixed = self.proj(mixed.transpose(1, 2).reshape(tokens.shape))
        return F.dropout(mixed, self.dropout, self.training)


class FFNBN(BatchNorm):
    """Batch Normalization of a feed-forward network's hidden units, on tokens (B, T, N, C), with the defaults of `bn`.

    It belongs to the network and is no norm site: a swap leaves it what it is, whichever norm the model is given, but
    for what its running statistics do.

    Yao et al., "Leveraging Batch Normalization for Vision Transformers", ICCV Workshops 2021, put it between the two
    linear layers, without which their Vision Transformers with Batch Normalization alone did not train reliably. It
    stands before the GELU, as in the public re-implementation (github.com/zeyuanyin/BN-ViT): the paper's abstract does
    not say on which side.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens.flatten(0, 1)).view(tokens.shape)  # (B * T, N, C): a frame is a sample


class MLP(nn.Module):
    """Two linear layers with a GELU between them, four times as wide inside: (B, T, N, C) to the same.

    With `ffn_bn`, `FFNBN` stands between the first one and the GELU.
    """

    def __init__(self, width: int, *, dropout: float, ffn_bn: bool) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.bn = FFNBN(4 * width) if ffn_bn else nn.Identity()
        self.fc2 = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden: Tensor = self.dropout(F.gelu(self.bn(self.fc1(tokens))))
        out: Tensor = self.dropout(self.fc2(hidden))
        return out


class DropPath(nn.Module):
    """Stochastic depth: in training, leaves a residual branch out with probability `rate`.

    The mask is one draw a clip: a frame that skips a block would look like motion to LMI. `per_frame` draws one for
    each frame instead, as the definition's code does.
    """

    def __init__(self, rate: float, *, per_frame: bool = False) -> None:
        super().__init__()
        self.rate, self.per_frame = rate, per_frame
        self.part: Part | None = None

    def receive_context(self, context: StepContext | None) -> None:
        """Learn which clips of a batch pass through this process: all processes draw for all clips alike."""
        self.part = None if context is None else context.part

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return branch
        clips = len(branch) if self.part is None else self.part.clips
        drawn = torch.rand((clips, branch.shape[1] if self.per_frame else 1, 1, 1), device=branch.device)
        kept = (drawn if self.part is None else self.part.take(drawn)) >= self.rate
        return branch * (kept / (1 - self.rate)).to(branch.dtype)
