"""Imbalance in what an epoch shows: samplers, as how often each class is drawn, and the counts that losses go by."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassCounts:
    """What the batches of one experience hold of each class.

    Args:
        clips: (classes,) distinct clips that they are drawn from: the experience's own, and those in memory.
        shown: (classes,) clips of the class that one epoch shows, expected where memory is cut off in a shuffle.
    """

    clips: Floats
    shown: Floats


@dataclass(frozen=True)
class Sampler:
    """Which clips of an experience an epoch shows.

    Each class has a quota. Its clips fill it by cycling through shuffles of them, so that no clip is drawn again before
    all of its class were, and every epoch begins anew.

    Args:
        length: from the counts (classes,) to the clips of an epoch.
        shares: from the counts (classes,) to the share of the epoch that each class has in expectation.
    """

    length: Callable[[Ints], int]
    shares: Callable[[Ints], Floats]

    def draw(self, ids: Ints, labels: Ints, generator: np.random.Generator) -> Ints:
        """The clips of one epoch, class by class.

        Args:
            ids: (n,) the experience's clips.
            labels: (n,) their classes.
            generator: draws quotas and shuffles.
        """
        present, counts = np.unique(labels, return_counts=True)
        quotas = draw_quotas(self.shares(counts), self.length(counts), generator=generator)
        parts = [_cycle(ids[labels == label], quota, generator) for label, quota in zip(present, quotas, strict=True)]
        return np.concatenate(parts)


OVERSAMPLE = Sampler(length=lambda n: int(len(n) * n.max()), shares=lambda n: np.full(len(n), 1 / len(n)))
"""Every class as often as the largest: all clips of that one once, those of the others again and again."""

UNDERSAMPLE = Sampler(length=lambda n: int(len(n) * n.min()), shares=lambda n: np.full(len(n), 1 / len(n)))
"""Every class as often as the smallest; which clips of the others are left out is drawn in each epoch."""

BALANCED = Sampler(length=lambda n: int(n.sum()), shares=lambda n: np.full(len(n), 1 / len(n)))
"""Every class equally often, in an epoch of the usual length.

Source: class-balanced sampling (q = 0) in Kang et al., "Decoupling Representation and Classifier", ICLR 2020.
"""

SQRT = Sampler(length=lambda n: int(n.sum()), shares=lambda n: np.sqrt(n) / np.sqrt(n).sum())
"""Class c with probability sqrt(n_c) / sum_k sqrt(n_k), in an epoch of the usual length.

Source: square-root sampling (q = 1/2) in Kang et al., ICLR 2020.
"""


def draw_quotas(shares: Floats, total: int, *, generator: np.random.Generator) -> Ints:
    """Whole numbers that add up to `total`, each its share of it rounded up or down, and exact in expectation.

    Systematic sampling (Madow, Annals of Mathematical Statistics 1949): one uniform u moves all the boundaries, and
    quota c counts the whole numbers between boundary c - 1 and boundary c.

    Args:
        shares: (classes,) that add up to 1.
        total: clips to hand out.
        generator: draws u.
    """
    # Rounding, so that a boundary that is whole in exact arithmetic does not fall just beside it.
    ends = np.round(np.cumsum(shares) * total, 9)
    ends[-1] = total
    passed = np.floor(ends + generator.random())
    quotas: Ints = np.diff(passed, prepend=0).astype(np.int64)
    return quotas


def count_classes(current: Ints, memory: Ints, *, recalled: int, num_classes: int, times: float = 1.0) -> ClassCounts:
    """The counts of an experience that shows each of its clips so many times an epoch.

    Args:
        current: (n,) classes of the experience's clips.
        memory: (m,) classes of the clips in memory, none of them the experience's.
        recalled: clips that an epoch takes from memory, all of its clips alike.
        num_classes: of the stream.
        times: how often an epoch shows each of the experience's clips.
    """
    own, kept = (np.bincount(labels, minlength=num_classes).astype(np.float64) for labels in (current, memory))
    return ClassCounts(clips=own + kept, shown=own * times + kept * (recalled / max(len(memory), 1)))


def _cycle(ids: Ints, count: int, generator: np.random.Generator) -> Ints:
    rounds = -(-count // len(ids))
    shuffles = [generator.permutation(ids) for _ in range(rounds)]
    return np.concatenate([ids[:0], *shuffles])[:count]
