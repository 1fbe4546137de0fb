"""The augmentations of the catalogue: built once a run from its options and the names of its classes."""

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from clnorm.catalogue.registry import Spec
from clnorm.data.augment.colour import change_colours
from clnorm.data.augment.damage import add_noise, erase_box
from clnorm.data.augment.draws import OPERATIONS, Changes, draw_changes
from clnorm.data.augment.geometry import blur_clips, crop_and_flip, flip_clips
from clnorm.data.augment.mirrored import Mirror
from clnorm.errors import UserError

_WHERE = "data.augment"


class Augmentation(Protocol):
    """Changes training clips at random; a builder makes it of the classes' names and the options."""

    def __call__(
        self, clips: Tensor, labels: Tensor, *, seen: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Changed clips, and the label of each as it looks now; the tensors given stay as they are.

        One that changes a label has a method `exchange_counts` like that of `ClipAugmentation`.

        Args:
            clips: (B, T, 3, H, W), floats in [-1, 1].
            labels: (B,) int64 on the CPU; the id of each clip's class.
            seen: (classes,) bool on the CPU; the classes that training has reached, the only ones that a label may be.
            generator: of all draws, on the CPU, so that they are equal on every device.
        """
        ...


def create_augmentation(spec: Spec, classes: Sequence[str]) -> Augmentation:
    """The augmentation that a configuration names, for a dataset's classes.

    Raises:
        UserError: its options do not fit each other, a class that there is not, or what a plug-in builds takes other
            arguments.
    """
    built: Augmentation = spec.build(classes)
    try:
        inspect.signature(built).bind(None, None, seen=None, generator=None)
    except (TypeError, ValueError) as error:
        what = f"what {spec.name} builds cannot be called with what an augmentation is given ({error})"
        raise UserError(what, where=_WHERE, legal="(clips, labels, *, seen, generator) -> (clips, labels)") from error
    return built


def leave(classes: Sequence[str]) -> Augmentation:
    """Every clip as it is."""
    return lambda clips, labels, *, seen, generator: (clips, labels)


class ClipAugmentation:
    """Flip, crop and blur, then colours, noise and erasing, one draw a clip, the same for all of its frames.

    Pixels are held in [-1, 1] after the colours, not between them, so that none of these loses what another one brings
    back, and after the noise. With a limited number of operations a clip it is RandAugment (Cubuk et al., NeurIPS 2020)
    over the operations that suit it here, with magnitudes drawn up to limits that are stated one by one.

    Args:
        classes: names, by id.
        flip: share of clips flipped left to right.
        unflipped: names of the classes that are never flipped, separated by `/`; `none`: of no class.
        mirrored: names of classes, two by two, separated by `/`; a flip makes a clip of one class one of the other,
            and its label is exchanged. Before training has reached the other class, the clip is not flipped.
        min_scale, stretch: of a crop, as in `draw_changes`.
        contrast, saturation, brightness, hue, blur, noise, erase: the operations' limits, as there; 0 is off.
        operations: how many of these each clip gets, of those that are not off; `all`: all of them.

    Raises:
        UserError: a name in `unflipped` or `mirrored` that no class has, pairs that contradict each other or
            `unflipped`, or more operations than are not off.
    """

    def __init__(
        self,
        classes: Sequence[str],
        *,
        flip: float = 0.5,
        unflipped: str = "none",
        mirrored: str = "none",
        min_scale: float = 1.0,
        stretch: float = 1.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        brightness: float = 0.0,
        hue: float = 0.0,
        blur: float = 0.0,
        noise: float = 0.0,
        erase: float = 0.0,
        operations: int | str = "all",
    ) -> None:
        limits = {"contrast": contrast, "saturation": saturation, "brightness": brightness, "hue": hue}
        limits |= {"blur": blur, "noise": noise, "erase": erase}
        self._flip, self._mirror = flip, Mirror(classes, unflipped=unflipped, mirrored=mirrored)
        self._draws: dict[str, Any] = {"flip": flip, "min_scale": min_scale, "stretch": stretch, "limits": limits}
        self._draws["operations"] = _check_operations(operations, limits)
        self._crops = min_scale < 1 or stretch > 1
        self._colours = any(limits[name] for name in ("contrast", "saturation", "brightness", "hue"))
        self._off = not (flip or self._crops or any(limits.values()))

    def exchange_counts(self, counts: Tensor, *, seen: Tensor, distinct: bool = False) -> Tensor:
        """How many clips each class has once labels are exchanged, of the counts (classes,) before.

        Args:
            counts: floats.
            seen: (classes,) bool; the classes that training has reached.
            distinct: count the clips that are ever shown as one of the class, not those of an epoch in expectation.
        """
        kept, left = (float(self._flip < 1), float(self._flip > 0)) if distinct else (1 - self._flip, self._flip)
        return self._mirror.exchange(counts, seen, kept=kept, left=left)

    def __call__(
        self, clips: Tensor, labels: Tensor, *, seen: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        if self._off:
            return clips, labels
        changes = draw_changes(len(clips), **self._draws, generator=generator)
        changes.flip.logical_and_(self._mirror.may_flip(seen)[labels])
        labels = torch.where(changes.flip, self._mirror.others[labels], labels)
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
        return changed, labels

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


light = partial(ClipAugmentation, min_scale=0.6, stretch=1.15, contrast=0.3, saturation=0.3, brightness=0.3)
strong = partial(
    ClipAugmentation,
    min_scale=0.4,
    stretch=1.33,
    contrast=0.6,
    saturation=0.8,
    brightness=0.4,
    hue=0.1,
    blur=2.0,
    noise=0.2,
    erase=0.3,
    operations=3,
)


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
