"""The epochs of one experience: which clips in which batches, which of their frames, what their changes draw from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from clnorm.data.store.loader import read_batches
from clnorm.seeding import numpy_generator, torch_generator

if TYPE_CHECKING:
    from clnorm.training.trainer import ClipStrategy


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


def plan_epoch(
    current: np.ndarray,
    memory: np.ndarray,
    *,
    batch_size: int,
    share: float,
    generator: np.random.Generator,
) -> list[np.ndarray]:
    """The batches of one epoch: every current clip as often as given, shuffled, with clips from memory beside them.

    The total batch is constant: with a memory, `round(share * batch_size)` of it (at least one, never all) come from
    memory, cycling through shuffles of it, so an epoch has more steps. Only the last batch can lack current clips.

    Args:
        current: (n,) ids of the experience that the epoch shows; a sampler repeats some, or leaves some out.
        memory: (m,) ids kept from earlier experiences; may be empty.
        batch_size: clips in a batch.
        share: share of a batch that comes from memory.
        generator: draws both shuffles.

    Returns:
        Ids, current ones first, one array a batch.
    """
    taken = memory_share(batch_size, share) if len(memory) else 0
    shuffled = generator.permutation(current)
    size = batch_size - taken
    pieces = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    if not taken:
        return pieces
    needed = taken * len(pieces)
    rounds = -(-needed // len(memory))
    recalled = np.concatenate([generator.permutation(memory) for _ in range(rounds)])[:needed]
    return [np.concatenate([piece, recalled[i * taken : (i + 1) * taken]]) for i, piece in enumerate(pieces)]


def memory_share(batch_size: int, share: float) -> int:
    """How many clips of a batch come from memory; a batch needs at least one clip of each kind."""
    return min(max(round(share * batch_size), 1), batch_size - 1)
