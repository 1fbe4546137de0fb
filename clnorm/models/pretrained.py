"""Loading pretrained weights into a backbone by name, completely or not at all."""

import math
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.models.motion import SMIF
from clnorm.models.signed import SignedSMIF
from clnorm.models.weights import HALF, Triple, Weights

# What image models do not have: LS-ViT's motion modules and its position in time.
_MOTION = re.compile(r"smif\.|time_embed$|blocks\.\d+\.lmi\.")
_HEAD = "head."
_PATCHES = "patch_embed.proj"


@dataclass(frozen=True)
class WeightsReport:
    """What loading did.

    Args:
        loaded: the model's tensors that have the weights' values.
        resized: those of them that were interpolated: name, shape in the weights, shape in the model.
        kept: the model's tensors left at their start.
        unused: the weights' tensors that were left out.
        source: where the weights are from.
        mean: of the pixels in [0, 1] that the weights want; where mean or std is not 1/2, the conversion from [-1, 1]
            is in the patch projection.
        std: likewise.
        stated: whether the weights state mean and std.
    """

    loaded: tuple[str, ...]
    resized: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    kept: tuple[str, ...]
    unused: tuple[str, ...]
    source: str
    mean: Triple
    std: Triple
    stated: bool

    def to_dict(self) -> dict[str, Any]:
        """The report in JSON's types."""
        return {
            "loaded": [*self.loaded],
            "resized": [{"name": name, "from": [*old], "to": [*new]} for name, old, new in self.resized],
            "kept": [*self.kept],
            "unused": [*self.unused],
            "source": self.source,
            "mean": [*self.mean],
            "std": [*self.std],
            "stated": self.stated,
        }

    def summary(self) -> str:
        """One line: how many tensors were loaded, resized, kept and unused, and whether the input was assumed."""
        counts = (
            f"{len(self.loaded)} tensors loaded ({len(self.resized)} resized), {len(self.kept)} kept at their start"
        )
        stated = "stated by the weights" if self.stated else "not stated by the weights"
        values = f"mean {'/'.join(f'{m:g}' for m in self.mean)}, std {'/'.join(f'{s:g}' for s in self.std)}"
        return f"{self.source}: {counts}, {len(self.unused)} unused; input {values}, {stated}"


@torch.no_grad()
def load_pretrained(model: nn.Module, weights: Weights) -> WeightsReport:
    """Copy weights into a backbone by name, before its norms are swapped.

    The position embedding is resized to the model's grid (bicubic and antialiased, as timm does; prefix tokens keep
    theirs). The motion modules stay at their start, and the head does where the number of classes differs. The model
    takes pixels x in [-1, 1]; for weights that want (p - mean) / std of pixels p in [0, 1], the map
    (x / 2 + 1/2 - mean) / std is folded into the patch projection, which is exact since nothing is padded.

    Args:
        model: a backbone with timm's names, as `create_model` builds it with LayerNorm.
        weights: as `read_weights` gives them.

    Raises:
        UserError: a tensor is missing, left over, or of another shape; or the model has SMIF, whose clamp to [-1, 1]
            suits weights with mean = std = 1/2 alone. The model is then as it was.
    """
    own, given = model.state_dict(), dict(weights.tensors)
    _refuse_clamp(model, weights)
    resized = _resize_positions(model, own, given)
    unused = _drop_head(own, given)
    kept = [name for name in own if name not in given and _may_keep(model, name)]
    _refuse_mismatch(own, given, kept, weights.source)
    if (weights.mean, weights.std) != HALF:
        _fold_input(model, own, given, weights)
    for name, tensor in given.items():
        own[name].copy_(tensor)
    return WeightsReport(
        loaded=tuple(name for name in own if name in given),
        resized=tuple(resized),
        kept=tuple(name for name in kept if name not in given),  # the folding may have given a bias
        unused=tuple(unused),
        source=weights.source,
        mean=weights.mean,
        std=weights.std,
        stated=weights.stated,
    )


def _refuse_clamp(model: nn.Module, weights: Weights) -> None:
    if (weights.mean, weights.std) == HALF or not isinstance(getattr(model, "smif", None), (SMIF, SignedSMIF)):
        return
    raise UserError(
        f"weights with mean {weights.mean} and std {weights.std} do not suit LS-ViT: its SMIF clamps the model's input "
        "to [-1, 1], which would destroy about half of the pixels",
        where=f"weights {weights.source}",
        legal="weights with mean = std = 0.5, or a backbone vit_*, lsvit_signed_*:smif=frames or timm:NAME",
    )


def _resize_positions(
    model: nn.Module, own: dict[str, Tensor], given: dict[str, Tensor]
) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Resize the given `pos_embed`, (1, prefix + h * w, C), to the model's grid where both are square grids of C."""
    from timm.layers import resample_abs_pos_embed

    old, new = given.get("pos_embed"), own.get("pos_embed")
    if old is None or new is None or old.ndim != 3 or old.shape == new.shape or old.shape[::2] != new.shape[::2]:
        return []
    # timm's models say how many tokens go before the patches, and whether these have a position; ours have one.
    prefix = 0 if getattr(model, "no_embed_class", False) else getattr(model, "num_prefix_tokens", 1)
    sides = [math.isqrt(max(tensor.shape[1] - prefix, 0)) for tensor in (old, new)]
    if any(side**2 + prefix != tensor.shape[1] for side, tensor in zip(sides, (old, new), strict=True)) or not sides[0]:
        return []
    given["pos_embed"] = resample_abs_pos_embed(old, [sides[1]] * 2, [sides[0]] * 2, num_prefix_tokens=prefix)
    return [("pos_embed", tuple(old.shape), tuple(new.shape))]


def _drop_head(own: dict[str, Tensor], given: dict[str, Tensor]) -> list[str]:
    """Take the head out of `given` unless it is of the model's shape; the names taken out."""
    head = [name for name in given if name.startswith(_HEAD)]
    if all(name in own and own[name].shape == given[name].shape for name in head):
        return []
    for name in head:
        del given[name]
    return head


def _may_keep(model: nn.Module, name: str) -> bool:
    return name.startswith(_HEAD) or _MOTION.match(name) is not None or name in getattr(model, "added_tensors", ())


def _refuse_mismatch(own: dict[str, Tensor], given: dict[str, Tensor], kept: list[str], source: str) -> None:
    """Check that `given` are the model's tensors, but for those `kept`, in their shapes."""
    shapes = [
        f"{name} is {tuple(given[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    missing = [name for name in own if name not in given and name not in kept]
    extra = [name for name in given if name not in own]
    found = {"of another shape": shapes, "missing": missing, "unexpected": extra}
    faults = [f"{what} ({len(names)}): {_shorten(names)}" for what, names in found.items() if names]
    if not faults:
        return
    differs = [*(["architecture or depth"] if missing or extra else []), *(["width or patch size"] if shapes else [])]
    raise UserError(
        f"the weights do not fit the backbone: {'; '.join(faults)}; probably another {', '.join(differs)}",
        where=f"weights {source}",
        hint="choose the backbone that they were made for, such as vit_tiny or timm:NAME; see: clnorm list backbones",
    )


def _shorten(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _fold_input(model: nn.Module, own: dict[str, Tensor], given: dict[str, Tensor], weights: Weights) -> None:
    """Make the patch projection take x in [-1, 1] for (x / 2 + 1/2 - mean) / std, a map of each colour by itself."""
    weight, bias = f"{_PATCHES}.weight", f"{_PATCHES}.bias"
    if weight not in given or bias not in own or given[weight].ndim != 4 or given[weight].shape[1] != 3:
        raise UserError(
            f"weights with mean {weights.mean} and std {weights.std} need a patch projection {_PATCHES} with a bias",
            where=type(model).__name__,
            legal="weights with mean = std = 0.5",
        )
    mean, std = torch.tensor(weights.mean).double(), torch.tensor(weights.std).double()
    kernel = given[weight].double()  # (C, 3, p, p)
    start = given.get(bias, own[bias]).double()
    given[bias] = start + (kernel.sum((2, 3)) * ((0.5 - mean) / std)).sum(1)
    given[weight] = kernel * (0.5 / std)[:, None, None]
