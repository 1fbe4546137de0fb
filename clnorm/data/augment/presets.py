"""The augmentations of the catalogue: built once a run from its options and the names of its classes."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from clnorm.catalogue.registry import Spec
from clnorm.data.augment.colour import change_colours
from clnorm.data.augment.damage import add_noise, erase_box
from clnorm.data.augment.draws import OPERATIONS, Changes, draw_changes
from clnorm.data.augment.geometry import blur_clips, crop_and_flip, flip_clips
from clnorm.errors import UserError

_WHERE = "data.augment"


class Augmentation(Protocol):
    """Changes training clips at random; a builder makes it of the classes' names and the options."""

    def __call__(self, clips: Tensor, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """Changed clips; those given stay as they are.

        Args:
            clips: (B, T, 3, H, W), floats in [-1, 1].
            labels: (B,) int64 on the CPU; the id of each clip's class.
            generator: of all draws, on the CPU, so that they are equal on every device.
        """
        ...


def create_augmentation(spec: Spec, classes: Sequence[str]) -> Augmentation:
    """The augmentation that a configuration names, for a dataset's classes.

    Raises:
        UserError: its options do not fit each other, or a class that there is not.
    """
    built: Augmentation = spec.build(classes)
    return built


def leave(classes: Sequence[str]) -> Augmentation:
    """Every clip as it is."""
    return lambda clips, labels, *, generator: clips


class ClipAugmentation:
    """Flip, crop and blur, then colours, noise and erasing, one draw a clip, the same for all of its frames.

    Pixels are held in [-1, 1] after the colours, not between them, so that none of these loses what another one brings
    back, and after the noise. With a limited number of operations a clip it is RandAugment (Cubuk et al., NeurIPS 2020)
    over the operations that suit it here, with magnitudes drawn up to limits that are stated one by one.

    Args:
        classes: names, by id.
        unflipped: names of the classes that are never flipped, separated by `/`; `none`: of no class.
        operations: how many of contrast, saturation, brightness, hue, blur, noise and erasing each clip gets, of those
            that are not off; `all`: all of them.
        limits: what `draw_changes` takes.

    Raises:
        UserError: a name in `unflipped` that no class has, or more operations than are not off.
    """

    def __init__(
        self,
        classes: Sequence[str],
        *,
        flip: float,
        unflipped: str,
        min_scale: float,
        stretch: float,
        operations: int | str,
        **limits: float,
    ) -> None:
        self._may_flip = _may_flip(classes, unflipped)
        self._limits = limits
        self._draws: dict[str, Any] = {"flip": flip, "min_scale": min_scale, "stretch": stretch, "limits": limits}
        self._draws["operations"] = _check_operations(operations, limits)
        self._crops = min_scale < 1 or stretch > 1
        self._colours = any(limits[name] for name in ("contrast", "saturation", "brightness", "hue"))
        self._off = not (flip or self._crops or any(limits.values()))

    def __call__(self, clips: Tensor, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        if self._off:
            return clips
        changes = draw_changes(len(clips), **self._draws, generator=generator)
        changes.flip.logical_and_(self._may_flip[labels])
        # On a CPU one clip at a time, since a clip fits into the cache, and a batch does not.
        size = 1 if clips.device.type == "cpu" else len(clips)
        changed = torch.empty_like(clips)
        for start in range(0, len(clips), size):
            block = slice(start, start + size)
            torch.clamp(self._change(clips[block], changes[block]), -1, 1, out=changed[block])
        for clip, deviation in zip(changed, changes.noise.tolist(), strict=True):
            if deviation:
                add_noise(clip, deviation, generator=generator).clamp_(-1, 1)
        for clip, box in zip(changed, changes.box.tolist(), strict=True):
            erase_box(clip, box)
        return changed

    def _change(self, clips: Tensor, drawn: Changes) -> Tensor:
        """Some clips of the batch, but for noise and erasing, not yet held in [-1, 1]."""
        if self._crops:
            crop = {"height": drawn.height, "width": drawn.width, "top": drawn.top, "left": drawn.left}
            clips = crop_and_flip(clips, **crop, flip=drawn.flip)
        elif drawn.flip.any():
            clips = flip_clips(clips, flip=drawn.flip)
        if drawn.blur.any():
            clips = blur_clips(clips, sigma=drawn.blur)
        if self._colours:
            factors = {"contrast": drawn.contrast, "saturation": drawn.saturation}
            clips = change_colours(clips, **factors, hue=drawn.hue, brightness=drawn.brightness)
        return clips


def _may_flip(classes: Sequence[str], unflipped: str) -> Tensor:
    """(classes,) bool."""
    named = [] if unflipped == "none" else [name for name in unflipped.split("/") if name]
    for name in named:
        if name not in classes:
            raise UserError(f"there is no class {name!r} to leave unflipped", where=_WHERE, legal=classes, given=name)
    return torch.tensor([name not in named for name in classes])


def _check_operations(operations: int | str, limits: dict[str, float]) -> int | None:
    """How many operations a clip gets; None: all."""
    if isinstance(operations, str):
        return None
    on = [name for name in OPERATIONS if limits[name]]
    if operations > len(on):
        raise UserError(
            f"{operations} operations a clip, of {len(on)} that are not off",
            where=_WHERE,
            legal=["all", *map(str, range(1, len(on) + 1))],
        )
    return operations
