"""What is drawn for each clip of a batch, and from which limits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

# The operations that a clip may get a limited number of; flip and crop are not among them.
OPERATIONS = ("contrast", "saturation", "brightness", "hue", "blur", "noise", "erase")
_ASPECT = 3.0  # most that an erased box's width is of its height, as shares of the frame, or its height of its width


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What happens to each clip of a batch; fields are (B,) where nothing else is said, on the CPU.

    Attributes:
        flip: whether left and right are exchanged.
        height, width: of the crop, as shares of the frame.
        top, left: where the crop lies, from 0 to 1.
        contrast, saturation: factors.
        brightness: what is added to pixels in [-1, 1].
        hue: turn, in full circles.
        blur: standard deviation, in pixels.
        noise: standard deviation, of pixels in [-1, 1].
        box: (B, 4); what is erased: height and width, as shares of the frame, and where, from 0 to 1.
    """

    flip: Tensor
    height: Tensor
    width: Tensor
    top: Tensor
    left: Tensor
    contrast: Tensor
    saturation: Tensor
    brightness: Tensor
    hue: Tensor
    blur: Tensor
    noise: Tensor
    box: Tensor

    def __getitem__(self, clips: slice) -> "Changes":
        return Changes(**{item.name: getattr(self, item.name)[clips] for item in fields(self)})


def draw_changes(
    count: int,
    *,
    flip: float,
    min_scale: float,
    stretch: float,
    limits: Mapping[str, float],
    operations: int | None,
    generator: torch.Generator,
) -> Changes:
    """Independent changes of `count` clips, each uniform within its limit.

    A crop's height and width are `scale` times those of the frame, stretched against each other; scale is uniform in
    [min_scale, 1], the logarithm of width over height in +-log stretch, before either is held at 1; the place is
    uniform. An erased box has a share of the frame uniform in [0, limit], the logarithm of width over height uniform in
    +-log 3, and a uniform place.

    Args:
        count: clips in the batch.
        flip: the share of clips that are flipped.
        min_scale: of a crop.
        stretch: of a crop.
        limits: of each of `OPERATIONS`; one of limit 0 is off.
        operations: how many of those that are on each clip gets, drawn anew; None: all.
        generator: on the CPU. All draws are made whatever the limits, but those for hue, blur, noise, erasing and the
            choice of operations only if one of them is asked for.
    """
    place = torch.rand(5, count, generator=generator)
    scale = min_scale + (1 - min_scale) * place[0]
    ratio = torch.exp(math.log(stretch) * (place[1] - 0.5))
    draws = {name: torch.zeros(count) for name in OPERATIONS}
    draws |= dict(zip(OPERATIONS[:3], 2 * torch.rand(3, count, generator=generator) - 1, strict=True))
    shape = top = left = torch.zeros(count)
    if operations is not None or any(limits[name] for name in OPERATIONS[3:]):
        hue, draws["blur"], draws["noise"], draws["erase"], shape, top, left = torch.rand(7, count, generator=generator)
        draws["hue"] = 2 * hue - 1
        chosen = _choose(limits, operations, torch.rand(len(OPERATIONS), count, generator=generator))
        draws = {name: torch.where(chosen[name], drawn, 0) for name, drawn in draws.items()}
    scaled = {name: limits[name] * drawn for name, drawn in draws.items()}
    side, shape = scaled.pop("erase").sqrt(), torch.exp(math.log(_ASPECT) * (shape - 0.5))
    scaled |= {name: 1 + scaled[name] for name in ("contrast", "saturation")}
    return Changes(
        flip=place[4] < flip,
        height=(scale / ratio).clamp(max=1),
        width=(scale * ratio).clamp(max=1),
        top=place[3],
        left=place[2],
        **scaled,
        box=torch.stack([(side / shape).clamp(max=1), (side * shape).clamp(max=1), top, left], dim=1),
    )


def _choose(limits: Mapping[str, float], operations: int | None, draws: Tensor) -> dict[str, Tensor]:
    """For each operation, which clips get it (B,): those `operations` of lowest draw (operations, B) among those on."""
    off = torch.tensor([limits[name] == 0 for name in OPERATIONS])
    rank = draws.masked_fill(off[:, None], 1).argsort(dim=0).argsort(dim=0)
    return dict(zip(OPERATIONS, rank < (len(OPERATIONS) if operations is None else operations), strict=True))
