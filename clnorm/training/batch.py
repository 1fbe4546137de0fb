"""The clips of one training step: how a batch is made of pixels, and its parts by name."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clnorm.execution.inputs import pixels_to_input
from clnorm.training.setup import Setup


@dataclass(frozen=True, eq=False)
class Batch:
    """What passes the model in one step of training, or a piece of it.

    Args:
        ids: (B,) int64 on the CPU, the clips.
        clips: (B, T, 3, H, W), augmented and mixed; this and what follows on the model's device.
        targets: (B,) int64, the output that stands for each clip's class.
        partners: (B,) int64, the target of what each clip is mixed with.
        tasks: (B,) int64, the experience that each clip belongs to.
        recalled: (B,) bool, whether the clip comes from the memory; these stand at the end of a whole batch.
        own_share: how much of each clip, and so of the loss, is its own; the rest is its partner's.
    """

    ids: Tensor
    clips: Tensor
    targets: Tensor
    partners: Tensor
    tasks: Tensor
    recalled: Tensor
    own_share: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)

    def piece(self, index: int, count: int) -> "Batch":
        """Piece `index` of `count`: every `count`-th clip, so that each piece has the same mix of the batch."""
        whole = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        cut: dict[str, Any] = {name: value[index::count].contiguous() for name, value in whole.items()}
        return replace(self, **cut)


class BatchMaker:
    """Makes batches: pixels to input on the device, augmented, mixed, with the target of each clip.

    Args:
        setup: the run's parts.
    """

    def __init__(self, setup: Setup) -> None:
        self._device, self._augment, self._mix = setup.device, setup.augment, setup.config.data.mix.bind()
        self._targets = torch.as_tensor(setup.stream.targets)
        self._labels = torch.as_tensor(setup.stream.order)[self._targets]

    def make(
        self,
        ids: Tensor,
        pixels: Tensor,
        *,
        tasks: Tensor,
        index: int,
        augmentation: torch.Generator,
        mixing: np.random.Generator,
    ) -> Batch:
        """The batch of the clips `ids` (B,), int64 on the CPU.

        Args:
            ids: the clips.
            pixels: (B, T, 3, H, W) uint8.
            tasks: (clips,) the experience of every clip of the dataset, on the CPU.
            index: the experience in training; a clip of another one comes from the memory.
            augmentation: what changes of clips are drawn from.
            mixing: what partners and shares are drawn from.
        """
        clips = pixels_to_input(pixels.to(self._device, non_blocking=True))
        mixture = self._mix(self._augment(clips, self._labels[ids], generator=augmentation), generator=mixing)
        targets, of_clips = self._targets[ids].to(self._device), tasks[ids].to(self._device)
        return Batch(
            ids=ids,
            clips=mixture.clips,
            targets=targets,
            partners=targets[mixture.partners.to(self._device)],
            tasks=of_clips,
            recalled=of_clips != index,
            own_share=mixture.share,
        )
