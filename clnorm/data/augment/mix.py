"""Mixing of the clips of a batch, and in what shares: each clip keeps at least half of itself.

One draw a batch, as in the code that both papers published: the loss is then share * L(y) + (1 - share) * L(y') for
any mean loss L over the batch, one that weighs its clips included, and a box is one slice of the batch.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clnorm.errors import ClnormError


@dataclass(frozen=True, eq=False)
class Mixture:
    """A batch whose clips are mixed with one another.

    Args:
        clips: (B, T, 3, H, W).
        partners: (B,) int64 on the CPU; the place in the batch of what each clip is mixed with, which may be itself.
        share: how much of each clip is its own, from 1/2 to 1.

    Raises:
        ClnormError: another share, by which norms would be told the experience of a clip's smaller part.
    """

    clips: Tensor
    partners: Tensor
    share: float

    def __post_init__(self) -> None:
        if not 0.5 <= self.share <= 1:
            raise ClnormError(f"a clip's own share is {self.share}", where="data.mix", legal="1/2 to 1")


def keep(clips: Tensor, *, generator: np.random.Generator) -> Mixture:
    """Clips (B, T, 3, H, W) as they are."""
    return Mixture(clips, torch.arange(len(clips)), 1.0)


def mixup(clips: Tensor, *, generator: np.random.Generator, alpha: float = 0.4) -> Mixture:
    """share * clip + (1 - share) * partner, of clips (B, T, 3, H, W); the partners are a permutation of the batch.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018: lambda ~ Beta(alpha, alpha). The share
    is the larger one of lambda and 1 - lambda. That names the two clips of a pair in the other order, and changes no
    distribution, but a clip's own experience is then that of its larger part.
    """
    share = _draw_share(generator, alpha)
    partners = torch.from_numpy(generator.permutation(len(clips)))
    return Mixture(torch.lerp(clips[partners], clips, share), partners, share)


def videomix(clips: Tensor, *, generator: np.random.Generator, alpha: float = 1.0) -> Mixture:
    """Clips (B, T, 3, H, W) with one box, the same in all frames of all clips, taken from their partners.

    Source: Yun et al., "VideoMix: Rethinking Data Augmentation for Video Classification", 2020, spatial variant. The
    box has the shape of the frame and the share 1 - lambda of it, lambda ~ Beta(alpha, alpha); its centre is uniform;
    what lies outside of the frame is cut off, and the share is what the pixels then say. Where the box is more than
    half of the frame, it is the clip that fills the box and the partner that surrounds it.
    """
    height, width = clips.shape[-2:]
    side = math.sqrt(1 - generator.beta(alpha, alpha))
    rows, columns = (_draw_interval(generator, side, size) for size in (height, width))
    partners = torch.from_numpy(generator.permutation(len(clips)))
    inside = (rows[1] - rows[0]) * (columns[1] - columns[0]) / (height * width)
    box = (..., slice(*rows), slice(*columns))
    others = clips[partners]
    mixed, source = (clips.clone(), others) if inside <= 0.5 else (others, clips)
    mixed[box] = source[box]
    return Mixture(mixed, partners, max(inside, 1 - inside))


def _draw_share(generator: np.random.Generator, alpha: float) -> float:
    drawn = generator.beta(alpha, alpha)
    return max(drawn, 1 - drawn)


def _draw_interval(generator: np.random.Generator, side: float, size: int) -> tuple[int, int]:
    """First pixel and one past the last, of `side * size` pixels about a uniform centre, cut at the ends."""
    centre, reach = generator.uniform(0, size), side * size / 2
    return max(round(centre - reach), 0), min(round(centre + reach), size)
