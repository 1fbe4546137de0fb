"""From batches of clip ids to batches of pixels, read ahead by one thread while the model computes."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from torch import Tensor

from clnorm.data.ahead import map_ahead
from clnorm.data.store import ClipStore

_AHEAD = 2


def read_batches(
    store: ClipStore, batches: Iterable[np.ndarray], *, draws: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Each batch of ids (B,) with its pixels (B, T, 3, H, W), uint8, in the order given.

    With `draws`, (clips of the store, T), clips show the frames that these choose; else the middle ones.
    """

    def read(ids: np.ndarray) -> tuple[np.ndarray, Tensor]:
        return ids, store.gather(ids) if draws is None else store.gather(ids, draws=draws[ids])

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="clnorm-read") as reader:
        yield from map_ahead(reader, read, batches, ahead=_AHEAD)


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
