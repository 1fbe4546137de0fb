"""From batches of clip ids to batches of pixels, read ahead by one thread while the model computes."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from clnorm.data.store.ahead import map_ahead

if TYPE_CHECKING:
    from clnorm.data.store.store import ClipStore

_AHEAD = 2


def read_batches(
    store: "ClipStore", batches: Iterable[np.ndarray], *, draws: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Each batch of ids (B,) with its pixels (B, T, 3, H, W), uint8, in the order given.

    With `draws`, (clips of the store, T), clips show the frames that these choose; else the middle ones.
    """

    def read(ids: np.ndarray) -> tuple[np.ndarray, Tensor]:
        return ids, store.gather(ids) if draws is None else store.gather(ids, draws=draws[ids])

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="clnorm-read") as reader:
        yield from map_ahead(reader, read, batches, ahead=_AHEAD)
