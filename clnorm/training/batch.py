"""The clips of one training step: how a batch is made of pixels, and its parts by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clnorm.data.augment.appearance import create_appearance
from clnorm.errors import ClnormError
from clnorm.execution.inputs import pixels_to_input
from clnorm.ranks import Part
from clnorm.training.imbalance.samplers import ClassCounts
from clnorm.training.setup import Setup


@dataclass(frozen=True, eq=False)
class Batch:
    """What passes the model in one step of training, or a piece of it.

    Args:
        ids: (B,) int64 on the CPU, the clips.
        clips: (B, T, 3, H, W), augmented and mixed; this and what follows on the model's device.
        targets: (B,) int64, the output that stands for each clip's class, as it looks after a flip.
        partners: (B,) int64, the target of what each clip is mixed with.
        tasks: (B,) int64, the experience that each clip belongs to, however it is changed.
        recalled: (B,) bool on the CPU, whether the clip comes from the memory; these stand at the end.
        own_share: how much of each clip, and so of the loss, is its own; the rest is its partner's.
        part: which clips of a larger batch these are, where several processes share it; else None.
        tasks_of_all: (all clips,) int64, as `tasks`, of that larger batch.
        counts: the current and the recalled clips of the whole batch, where this is a piece of one; else None.
    """

    ids: Tensor
    clips: Tensor
    targets: Tensor
    partners: Tensor
    tasks: Tensor
    recalled: Tensor
    own_share: float = 1.0
    part: Part | None = None
    tasks_of_all: Tensor | None = None
    counts: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def current(self) -> "Batch":
        """The clips of the experience in training."""
        return self._cut(lambda of_clips: of_clips[: len(self) - self.count_recalled()])

    @property
    def remembered(self) -> "Batch":
        """The clips from the memory."""
        return self._cut(lambda of_clips: of_clips[len(self) - self.count_recalled() :])

    def split(self, of_clips: Tensor) -> tuple[Tensor, Tensor]:
        """(B, ...) -> what is given for the current clips, and for those from the memory."""
        own = len(self) - self.count_recalled()
        return of_clips[:own], of_clips[own:]

    def count_recalled(self) -> int:
        return int(self.recalled.sum())

    def mean_current(self, losses: Tensor) -> Tensor:
        """The mean of the current clips' losses (n,), such that those of a batch's pieces make the whole batch's."""
        return self._mean(losses, kind=0)

    def mean_remembered(self, losses: Tensor) -> Tensor:
        """The mean of the remembered clips' losses (n,), likewise; 0 where there are none."""
        return self._mean(losses, kind=1)

    def _mean(self, losses: Tensor, *, kind: int) -> Tensor:
        counts = self.counts or (len(self) - self.count_recalled(), self.count_recalled())
        # A piece's loss counts by its share of the clips, of either kind.
        return losses.sum() * (sum(counts) / (max(counts[kind], 1) * len(self)))

    def piece(self, index: int, count: int) -> "Batch":
        """Piece `index` of `count`: every `count`-th clip, so that each piece has the same mix of the batch."""
        piece = self._cut(lambda of_clips: of_clips[index::count])
        return replace(piece, counts=(len(self) - self.count_recalled(), self.count_recalled()))

    def of_part(self, part: Part) -> "Batch":
        """The clips that pass the model in this process, of those that do in all."""
        counts = self.counts or (len(self) - self.count_recalled(), self.count_recalled())
        return replace(self._cut(part.take), part=part, tasks_of_all=self.tasks, counts=counts)

    def _cut(self, take: Callable[[Tensor], Tensor]) -> "Batch":
        whole = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        cut: dict[str, Any] = {name: take(value).contiguous() for name, value in whole.items()}
        return replace(self, **cut)


class BatchMaker:
    """Makes batches: pixels to input on the device, augmented, mixed, with the target of each clip.

    Args:
        setup: the run's parts.
    """

    def __init__(self, setup: Setup) -> None:
        self._device, self._augment, self._mix = setup.device, setup.augment, setup.config.data.mix.bind()
        self._appearance = create_appearance(setup.stream.looks, setup.stream.experience_of_clip)
        self._order = torch.as_tensor(setup.stream.order)
        self._outputs = self._order.argsort()
        self._labels = self._order[torch.as_tensor(setup.stream.targets)]
        self._where = f"data.augment {setup.config.data.augment.name}"

    def make(
        self,
        ids: Tensor,
        pixels: Tensor,
        *,
        tasks: Tensor,
        recalled: int,
        seen: int,
        augmentation: torch.Generator,
        mixing: np.random.Generator,
    ) -> Batch:
        """The batch of the clips `ids` (B,), int64 on the CPU.

        Args:
            ids: the clips.
            pixels: (B, T, 3, H, W) uint8.
            tasks: (clips,) the experience of every clip of the dataset, on the CPU.
            recalled: how many of the clips, the last ones, come from the memory.
            seen: outputs that stand for classes which training has reached, the experience's included.
            augmentation: what changes of clips are drawn from.
            mixing: what partners and shares are drawn from.

        Raises:
            ClnormError: a plug-in for augmentation returns something else than an augmentation does.
        """
        clips = pixels_to_input(pixels.to(self._device, non_blocking=True))
        clips = clips if self._appearance is None else self._appearance(clips, ids)
        clips, targets = self._change(clips, self._labels[ids], seen=seen, generator=augmentation)
        mixture, of_clips = self._mix(clips, generator=mixing), tasks[ids].to(self._device)
        return Batch(
            ids=ids,
            clips=mixture.clips,
            targets=targets,
            partners=targets[mixture.partners.to(self._device)],
            tasks=of_clips,
            recalled=torch.arange(len(ids)) >= len(ids) - recalled,
            own_share=mixture.share,
        )

    def exchange_counts(self, counts: ClassCounts, *, seen: int) -> ClassCounts:
        """What batches hold of each class once the augmentation has exchanged labels; by output, before and after."""
        exchange = getattr(self._augment, "exchange_counts", None)
        if exchange is None:
            return counts

        def by_output(given: np.ndarray, *, distinct: bool) -> np.ndarray:
            by_class = torch.as_tensor(given)[self._outputs]
            exchanged: Tensor = exchange(by_class, seen=self._seen(seen), distinct=distinct)
            return exchanged[self._order].numpy()

        return ClassCounts(clips=by_output(counts.clips, distinct=True), shown=by_output(counts.shown, distinct=False))

    def _seen(self, count: int) -> Tensor:
        """(classes,) bool: whether a class has one of the first `count` outputs."""
        return self._outputs < count

    def _change(self, clips: Tensor, labels: Tensor, *, seen: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augmented clips, and the targets of them on the device."""
        changed = self._augment(clips, labels, seen=self._seen(seen), generator=generator)
        if not isinstance(changed, tuple) or [type(part) for part in changed] != [Tensor, Tensor]:
            legal = "(clips, labels), both tensors"
            raise ClnormError(f"it returned a {type(changed).__name__}", where=self._where, legal=legal)
        clips, after = changed
        if not torch.equal(labels, after):
            if not hasattr(self._augment, "exchange_counts"):
                what = "it changed labels, and has no method exchange_counts, by which losses weigh classes"
                raise ClnormError(what, where=self._where, hint="see clnorm.data.augment.presets.ClipAugmentation")
            if not self._seen(seen)[after].all():
                raise ClnormError("it gave a clip the label of a class that is not trained yet", where=self._where)
        return clips, self._outputs[after].to(self._device)
