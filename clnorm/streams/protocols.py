"""Protocols: how the classes of a dataset become the experiences of a stream.

A protocol is a function `(num_classes, *, seed, **options)` to the classes of each experience, in order.
"""

import numpy as np

from clnorm.errors import UserError
from clnorm.seeding import numpy_generator

Experiences = list[list[int]]


def even(num_classes: int, *, seed: int, experiences: int = 5) -> Experiences:
    """Equal experiences; where the classes do not divide, the last ones hold one class more and none is dropped.

    The class order is drawn from the run's seed.

    Raises:
        UserError: more experiences than classes.
    """
    if experiences > num_classes:
        raise UserError(
            f"{experiences} experiences cannot be made of {num_classes} classes",
            where="protocol",
            legal=f"1 to {num_classes}",
            hint=f"write --set protocol=even:experiences={num_classes}",
        )
    order = numpy_generator(seed, "class order").permutation(num_classes)
    small, larger = divmod(num_classes, experiences)
    sizes = [small] * (experiences - larger) + [small + 1] * larger
    return _cut(order, sizes)


def tcd(num_classes: int, *, seed: int, base: int = 26, step: int = 5, order: int = 1000) -> Experiences:
    """A base of classes, then equal steps, in the order that HMDB51 and UCF101 papers use.

    The order is numpy's legacy shuffle of the alphabetical classes under the seed `order`, as published; the run's own
    seed does not enter it. Source: Park, Kang, Han, "Class-Incremental Learning for Action Recognition in Videos", ICCV
    2021.

    Raises:
        UserError: sizes that do not add up to the classes.
    """
    del seed  # The published orders are fixed; the run's seed draws weights and batches only.
    steps, rest = divmod(num_classes - base, step)
    if steps < 0 or rest:
        raise UserError(
            f"{base} + k x {step} classes never make {num_classes}",
            where="protocol",
            legal="base + k x step = number of classes",
            hint="write --set protocol=tcd:base=B,step=S",
        )
    classes = np.arange(num_classes)
    np.random.RandomState(order).shuffle(classes)
    return _cut(classes, [base] + [step] * steps)


def _cut(order: np.ndarray, sizes: list[int]) -> Experiences:
    ends = np.cumsum(sizes)
    return [order[end - size : end].tolist() for end, size in zip(ends, sizes, strict=True)]
