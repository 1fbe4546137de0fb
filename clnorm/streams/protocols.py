"""Protocols: how the clips of a dataset become the experiences of a stream.

A protocol is a function `(num_classes, *, seed, **options)` to the classes of each experience, in order, or to a `Cut`
where there is more to say. One with an argument `names` is given the names of the classes by id.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from clnorm.data.augment.looks import Look
from clnorm.errors import UserError
from clnorm.streams.class_list import read_class_list
from clnorm.streams.cut import Cut, Experiences
from clnorm.streams.orders import order_classes

_TCD_CLASSES = 51  # of HMDB51, for which both cuts with names of their own are published

_STRENGTH = 0.5  # of the change of domains


def even(
    num_classes: int,
    *,
    seed: int,
    names: Sequence[str] = (),
    experiences: int = 5,
    order: str = "seed",
    similarity: str = "names",
) -> Experiences:
    """Equal experiences; where the classes do not divide, the last ones hold one class more and none is dropped.

    Args:
        num_classes: of the dataset.
        seed: of the run.
        names: of the classes.
        experiences: how many.
        order, similarity: of the classes, as in `clnorm.streams.orders.order_classes`.

    Raises:
        UserError: more experiences than classes, or an order that cannot be made.
    """
    if experiences > num_classes:
        raise UserError(
            f"{experiences} experiences cannot be made of {num_classes} classes",
            where="protocol",
            legal=f"1 to {num_classes}",
            hint=f"write experiences={num_classes}, or fewer",
        )
    small, larger = divmod(num_classes, experiences)
    sizes = [small] * (experiences - larger) + [small + 1] * larger
    classes = order_classes(num_classes, sizes, seed=seed, names=names, order=order, similarity=similarity)
    return _cut(classes, sizes)


def vclimb(
    num_classes: int,
    *,
    seed: int,
    names: Sequence[str] = (),
    experiences: int = 10,
    order: str = "random:0",
    similarity: str = "names",
) -> Cut:
    """Equal experiences in one order that is the same for every seed.

    Classes that do not divide are stated, and stand one each in the last experiences. vCLIMB's own orders are part of
    its files, not of clnorm: give one with `list:file=...`.

    Source: Villa, Alhuwaider, Ramazanova, Leon Alcazar, Caba Heilbron, Ghanem, "vCLIMB: A Novel Video Class Incremental
    Learning Benchmark", CVPR 2022.

    Raises:
        UserError: as `even`.
    """
    order_of = {"order": order, "similarity": similarity}
    return _noted(even(num_classes, seed=seed, names=names, experiences=experiences, **order_of))


def online(
    num_classes: int,
    *,
    seed: int,
    names: Sequence[str] = (),
    experiences: int = 5,
    order: str = "seed",
    similarity: str = "names",
) -> Experiences:
    """As `even`; each clip is trained once, in batches of `train.batch_size`, which is 10 where it is not given.

    With a memory, clips kept in it come again, as in the source.

    Source: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017.

    Raises:
        UserError: as `even`.
    """
    return even(num_classes, seed=seed, names=names, experiences=experiences, order=order, similarity=similarity)


def task_incremental(
    num_classes: int,
    *,
    seed: int,
    names: Sequence[str] = (),
    experiences: int = 5,
    order: str = "seed",
    similarity: str = "names",
) -> Cut:
    """As `even`, with the experience of each clip known, also at test.

    A clip is one among the classes of its own experience: the loss of a training clip and the prediction of a test clip
    see the outputs of these alone. With a single head that is what one head an experience is.

    Source: van de Ven, Tuytelaars, Tolias, "Three types of incremental learning", Nature Machine Intelligence 2022.

    Raises:
        UserError: as `even`.
    """
    order_of = {"order": order, "similarity": similarity}
    return Cut(even(num_classes, seed=seed, names=names, experiences=experiences, **order_of), knows_tasks=True)


def blurry(
    num_classes: int,
    *,
    seed: int,
    names: Sequence[str] = (),
    experiences: int = 5,
    share: float = 0.1,
    order: str = "seed",
    similarity: str = "names",
) -> Cut:
    """As `even`, but a share of each class's training clips is spread evenly over the other experiences.

    Which clips these are is drawn from the run's seed. The test clips stay with the class's own experience. After an
    experience, those of the experiences so far are predicted among all classes that training has met: with clips of all
    classes in the first experience, among all.

    Source: Bang, Kim, Yoo, Ha, Choi, "Rainbow Memory: Continual Learning with a Memory of Diverse Samples", CVPR 2021,
    where the share is 10 or 30 %.

    Raises:
        UserError: as `even`.
    """
    order_of = {"order": order, "similarity": similarity}
    return Cut(even(num_classes, seed=seed, names=names, experiences=experiences, **order_of), share=share)


def domain_incremental(
    num_classes: int, *, seed: int, change: str = "brightness", experiences: int = 5, strength: float = _STRENGTH
) -> Cut:
    """The same classes in every experience, while what clips look like changes.

    Training and test clips are divided among the experiences, each in one, as evenly as can be in each class; which
    goes where is drawn from the run's seed. In experience k of N, from 0, every clip is changed by k / (N - 1) of the
    strength, so that the first is as it was recorded:

        brightness  strength is added to pixels in [-1, 1]
        contrast    what differs from the clip's mean is scaled by 1 - strength
        blur        a Gaussian with a standard deviation of strength / 16 of the frame's height
        colour      the hue is turned by half of strength circles: 1 makes complementary colours
        source      pixels stay; whole sources, such as films, are divided instead of clips

    Source of the setting: van de Ven et al. 2022, as for `task_incremental`; the changes are clnorm's own.
    """
    del seed
    if change == "source" and strength != _STRENGTH:
        what = "change=source leaves pixels as they are, so that a strength would do nothing"
        raise UserError(
            what, where="protocol: option 'strength'", hint="leave it out, or change=brightness, for example"
        )
    full = {
        "brightness": Look(brightness=strength),
        "contrast": Look(contrast=1 - strength),
        "blur": Look(blur=strength / 16),
        "colour": Look(hue=strength / 2),
        "source": Look(),  # whose clips look as they are
    }[change]
    shares = [index / (experiences - 1) for index in range(experiences)]
    looks = tuple(
        Look(
            brightness=share * full.brightness,
            contrast=1 - share * (1 - full.contrast),
            hue=share * full.hue,
            blur=share * full.blur,
        )
        for share in shares
    )
    every = [list(range(num_classes))] * experiences
    return Cut(every, divided="sources") if change == "source" else Cut(every, divided="clips", looks=looks)


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


def tcd_5x5(num_classes: int, *, seed: int, order: int = 1000) -> Experiences:
    """26 classes, then 5 experiences of 5, of HMDB51: `tcd:base=26,step=5`.

    Raises:
        UserError: other than 51 classes.
    """
    _require_hmdb51(num_classes, name="tcd-5x5")
    return tcd(num_classes, seed=seed, base=26, step=5, order=order)


def tcd_1x25(num_classes: int, *, seed: int, order: int = 1000) -> Experiences:
    """26 classes, then 25 experiences of 1, of HMDB51: `tcd:base=26,step=1`.

    Raises:
        UserError: other than 51 classes.
    """
    _require_hmdb51(num_classes, name="tcd-1x25")
    return tcd(num_classes, seed=seed, base=26, step=1, order=order)


def listed(num_classes: int, *, seed: int, file: str, names: Sequence[str] = ()) -> Cut:
    """The experiences of a file of one's own; the order of classes in it counts, and the run's seed does not.

    The form of the file: `clnorm.streams.class_list.read_class_list`. Its content counts in the run's identity, not its
    name.

    Raises:
        UserError: the file cannot be read, or does not name each class once.
    """
    del seed
    return Cut(read_class_list(file, names))


def _require_hmdb51(num_classes: int, *, name: str) -> None:
    if num_classes != _TCD_CLASSES:
        raise UserError(
            f"{name} is a cut of {_TCD_CLASSES} classes, and there are {num_classes}",
            where="protocol",
            legal="HMDB51",
            hint="write --set protocol=tcd:base=B,step=S, with base + k x step = number of classes",
        )


def _noted(groups: Experiences) -> Cut:
    """The cut with what has to be said where experiences are not of one size."""
    sizes = Counter(map(len, groups))
    if len(sizes) == 1:
        return Cut(groups)
    counted = " and ".join(f"{count} experience{'s' * (count != 1)} of {size}" for size, count in sorted(sizes.items()))
    total = sum(map(len, groups))
    return Cut(groups, note=f"{total} classes are not {len(groups)} equal experiences: they are {counted}")


def _cut(order: np.ndarray, sizes: list[int]) -> Experiences:
    ends = np.cumsum(sizes)
    return [order[end - size : end].tolist() for end, size in zip(ends, sizes, strict=True)]
