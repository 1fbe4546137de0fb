"""The epochs of one experience: which clips in which batches, which of their frames, what their changes draw from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from clnorm.data.loader import plan_epoch, read_batches
from clnorm.seeding import numpy_generator, torch_generator

if TYPE_CHECKING:
    from clnorm.strategies.template import ClipStrategy


class Epochs:
    """The loader of one experience: each iteration is the next epoch, with draws of its own for whatever is random.

    Args:
        strategy: what trains: its store, its memory, its balancing and its recipe.
        ids: (n,) the experience's clips.
        index: of the experience.

    Attributes:
        augmentation: what changes of single clips are drawn from, in the epoch that runs.
        mixing: what the mixing of batches is drawn from, likewise.
    """

    def __init__(self, strategy: "ClipStrategy", ids: np.ndarray, *, index: int) -> None:
        self._strategy, self._ids, self._index, self._epoch = strategy, ids, index, 0

    @property
    def steps(self) -> int:
        """Optimizer steps in all epochs."""
        return self._strategy.recipe.epochs * len(self._plan(0))

    def __iter__(self) -> Iterator[list[Any]]:
        strategy, batches = self._strategy, self._plan(self._epoch)
        self.augmentation = torch_generator(strategy.setup.config.seed, "augmentation", self._index, self._epoch)
        self.mixing = numpy_generator(strategy.setup.config.seed, "mix", self._index, self._epoch)
        draws = self._draw_frames(self._epoch)
        strategy.balancing.done = self._epoch / strategy.recipe.epochs
        self._epoch += 1
        return (list(batch) for batch in read_batches(strategy.setup.store, batches, draws=draws))

    def _draw_frames(self, epoch: int) -> np.ndarray | None:
        """What decides the frames of every clip of the store in an epoch, whatever batches it comes in."""
        config, store = self._strategy.setup.config, self._strategy.setup.store
        if not config.data.jitter:
            return None
        generator = numpy_generator(config.seed, "jitter", self._index, epoch)
        return generator.random((len(store), store.frames), dtype=np.float32)

    def _plan(self, epoch: int) -> list[np.ndarray]:
        strategy = self._strategy
        generator = numpy_generator(strategy.setup.config.seed, "batches", self._index, epoch)
        return plan_epoch(
            strategy.balancing.draw_epoch(self._ids, generator),
            strategy.memory,
            batch_size=strategy.recipe.batch_size,
            share=strategy.share,
            generator=generator,
        )
