"""The epochs of an experience: their length, the clips of each batch, and the generators of augmentation and mixing."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from clnorm.data.store.loader import read_batches
from clnorm.seeding import numpy_generator, torch_generator
from clnorm.training.setup import Setup


@dataclass(frozen=True)
class Lengths:
    """How long the training of each experience is.

    Args:
        shown: for each experience, how many of its own clips an epoch shows.
        epochs: of each experience.
        batch_size: clips in a batch, those from memory included.
        share: the share of a batch that comes from memory, in every experience but the first; 0 without a memory.
        trained: how many of the first experiences are trained by steps; None: all.
        balanced: for each experience, how many clips an epoch of the fine-tuning after it shows.
        balanced_epochs: of that fine-tuning.
    """

    shown: tuple[int, ...]
    epochs: int
    batch_size: int
    share: float
    trained: int | None = None
    balanced: tuple[int, ...] = ()
    balanced_epochs: int = 0

    def recalled(self, index: int) -> int:
        """How many clips of each batch come from memory in experience `index`."""
        return memory_share(self.batch_size, self.share) if index and self.share else 0

    def steps_per_epoch(self, index: int) -> int:
        """Optimizer steps in an epoch of experience `index`."""
        return math.ceil(self._shown(index) / (self.batch_size - self.recalled(index)))

    def last_batch(self, index: int) -> tuple[int, int]:
        """How many clips of its own, and from memory, the last batch of an epoch of experience `index` has."""
        recalled, shown = self.recalled(index), self._shown(index)
        size = self.batch_size - recalled
        return ((shown - 1) % size + 1, recalled) if shown else (0, 0)

    def training_steps(self, index: int) -> int:
        """Optimizer steps in all epochs of experience `index`, before its fine-tuning."""
        return self.epochs * self.steps_per_epoch(index)

    def fine_tuning_steps(self, index: int) -> int:
        """Optimizer steps in the fine-tuning after experience `index`."""
        return self.balanced_epochs * math.ceil(self._balanced(index) / self.batch_size)

    def steps(self, index: int) -> int:
        """Optimizer steps of experience `index`, its fine-tuning included."""
        return self.training_steps(index) + self.fine_tuning_steps(index)

    def clips(self, index: int) -> int:
        """How many clips pass the model in experience `index`: what a run's length is measured in."""
        return self.epochs * self.clips_per_epoch(index) + self.balanced_epochs * self._balanced(index)

    def clips_per_epoch(self, index: int) -> int:
        """How many clips pass the model in an epoch of experience `index`, those from memory included."""
        return self._shown(index) + self.recalled(index) * self.steps_per_epoch(index)

    def _shown(self, index: int) -> int:
        return self.shown[index] if self.trained is None or index < self.trained else 0

    def _balanced(self, index: int) -> int:
        return self.balanced[index] if self.balanced else 0


class Epochs:
    """The loader of one experience: each iteration is the next epoch, with draws of its own for whatever is random.

    Args:
        setup: the run's parts.
        index: of the experience.
        draw: the experience's clips that an epoch shows, from a generator.
        memory: (m,) ids of clips kept from earlier experiences.
        recalled: how many clips of each batch are from memory.
        phase: a word before the purposes of all generators, for epochs that are none of the experience's own.

    Attributes:
        augmentation: what changes of single clips are drawn from, in the epoch that runs.
        mixing: what the mixing of batches is drawn from, likewise.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        index: int,
        draw: Callable[[np.random.Generator], np.ndarray],
        memory: np.ndarray,
        recalled: int,
        phase: str = "",
    ) -> None:
        self._setup, self._index, self._draw, self._memory, self._recalled = setup, index, draw, memory, recalled
        self._phase = f"{phase} " if phase else ""
        self._epoch = -1
        self._begun: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """What the rest of the epoch that runs is drawn from: tensors and texts only."""
        mixing = json.dumps(self.mixing.bit_generator.state)  # its integers have 128 bits
        return {"augmentation": self.augmentation.get_state(), "mixing": mixing}

    def load_state_dict(self, state: dict[str, Any], *, epoch: int, step: int) -> None:
        """Begin the next iteration in epoch `epoch`, counted from 0, after `step` of its batches."""
        self._epoch, self._begun = epoch - 1, {**state, "step": step}

    def __iter__(self) -> Iterator[tuple[np.ndarray, Tensor]]:
        self._epoch += 1
        place = (self._index, self._epoch)
        generator = numpy_generator(self._setup.config.seed, f"{self._phase}batches", *place)
        batches = plan_epoch(
            self._draw(generator),
            self._memory,
            batch_size=self._setup.config.train.batch_size,
            recalled=self._recalled,
            generator=generator,
        )
        self.augmentation = torch_generator(self._setup.config.seed, f"{self._phase}augmentation", *place)
        self.mixing = numpy_generator(self._setup.config.seed, f"{self._phase}mix", *place)
        if self._begun:
            self.augmentation.set_state(self._begun["augmentation"])
            self.mixing.bit_generator.state = json.loads(self._begun["mixing"])
            batches, self._begun = batches[self._begun["step"] :], {}
        return read_batches(self._setup.store, batches, draws=self._draw_frames())

    def _draw_frames(self) -> np.ndarray | None:
        """What decides the frames of every clip of the store in an epoch, whatever batches it comes in."""
        config, store = self._setup.config, self._setup.store
        if not config.data.jitter:
            return None
        generator = numpy_generator(config.seed, f"{self._phase}jitter", self._index, self._epoch)
        return generator.random((len(store), store.frames), dtype=np.float32)


def plan_epoch(
    current: np.ndarray,
    memory: np.ndarray,
    *,
    batch_size: int,
    recalled: int,
    generator: np.random.Generator,
) -> list[np.ndarray]:
    """The batches of one epoch: every current clip as often as given, shuffled, with clips from memory beside them.

    The total batch is constant, except for the last one of an epoch: `recalled` clips of it come from memory, cycling
    through shuffles of it, so that an epoch has more steps. The last batch can lack current clips, and then the memory
    is a larger share of it. No batch holds a clip of the memory twice, unless the memory has fewer clips than
    `recalled`; then each comes in it as evenly as can be.

    Args:
        current: (n,) ids of the experience that the epoch shows; a sampler repeats some, or leaves some out.
        memory: (m,) ids kept from earlier experiences; may be empty.
        batch_size: clips in a batch.
        recalled: how many of them come from memory; 0 without one.
        generator: draws both shuffles.

    Returns:
        Ids, current ones first, one array a batch.
    """
    shuffled = generator.permutation(current)
    size = batch_size - recalled
    pieces = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    if not recalled:
        return pieces
    old = _cycle(memory, count=len(pieces), size=recalled, generator=generator)
    return [np.concatenate(both) for both in zip(pieces, old, strict=True)]


def _cycle(memory: np.ndarray, *, count: int, size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """`count` pieces of `size` clips each, of shuffles of the memory one after the other.

    Where a piece lies across the seam of two shuffles, a clip that it has already waits for the next piece.
    """
    most = -(-size // len(memory))
    waiting: list[np.int64] = []
    pieces = []
    for _ in range(count):
        piece: list[np.int64] = []
        passed: list[np.int64] = []
        while len(piece) < size:
            if not waiting:
                waiting = list(generator.permutation(memory))
            clip = waiting.pop(0)
            (piece if piece.count(clip) < most else passed).append(clip)
        waiting = passed + waiting
        pieces.append(np.array(piece, dtype=memory.dtype))
    return pieces


def memory_share(batch_size: int, share: float) -> int:
    """How many clips of a batch come from memory; a batch needs at least one clip of each kind."""
    return min(max(round(share * batch_size), 1), batch_size - 1)
