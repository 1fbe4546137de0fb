"""One random generator per purpose, each derived from (seed, purpose).

Two runs with the same seed draw the same class order, initial weights, batches and memory whatever their norm, because
no purpose can disturb another's generator: comparisons between norms are paired by construction.
"""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_PROCESS = threading.RLock()


def derive_seed(seed: int, purpose: str, *index: int) -> int:
    """A 63-bit seed for one purpose (and, say, one experience and epoch) of a run."""
    text = ":".join([str(seed), purpose, *map(str, index)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def numpy_generator(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """A numpy generator for one purpose."""
    return np.random.default_rng(derive_seed(seed, purpose, *index))


def torch_generator(seed: int, purpose: str, *index: int) -> "torch.Generator":
    """A CPU torch generator for one purpose."""
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, purpose, *index))


@contextmanager
def hold_process(on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of what exists once in a process: torch's global generators and its compiler.

    Dropout, stochastic depth and torch's layers can draw from the global generators only, so threads that train beside
    each other would take each other's numbers. They take turns instead.

    Args:
        on_wait: called if another thread is in it now.
    """
    if not _PROCESS.acquire(blocking=False):
        if on_wait is not None:
            on_wait()
        _PROCESS.acquire()
    try:
        yield
    finally:
        _PROCESS.release()


@contextmanager
def seeded_torch(seed: int, *, device: "torch.device | None" = None) -> Iterator[None]:
    """Within it torch's global generators start from `seed`, a GPU's too where that is the device; then as before."""
    import torch

    cuda = device is not None and device.type == "cuda"
    with hold_process(), torch.random.fork_rng(devices=[device] if cuda else []):
        (torch.manual_seed if cuda else torch.default_generator.manual_seed)(seed)
        yield


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Within it Python's and numpy's global generators start from `seed`, for others' code; then as before."""
    held, held_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - others' code draws from it
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(held)
        np.random.set_state(held_numpy)  # noqa: NPY002
