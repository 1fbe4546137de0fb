"""One random generator per purpose, each derived from (seed, purpose).

Two runs with the same seed draw the same class order, initial weights, batches and memory whatever their norm, because
no purpose can disturb another's generator: comparisons between norms are paired by construction.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


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
