"""Which clips are for training and which for testing, where a dataset's own lists do not decide it alone.

All of it moves whole clips between "train", "test" and "unused"; no clip is changed, copied or repeated.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from clnorm.data.table import ClipTable, Ids
from clnorm.errors import UserError
from clnorm.seeding import numpy_generator


def count_long_tail(largest: int, classes: int, *, imbalance: float) -> list[int]:
    """Training clips of each class, from the largest class to the smallest, falling geometrically.

    n_c = largest * imbalance^(-c / (classes - 1)), rounded (Cui et al., Class-Balanced Loss Based on Effective Number
    of Samples, CVPR 2019).
    """
    falls = np.arange(classes) / max(classes - 1, 1)
    return [round(float(count)) for count in largest * imbalance**-falls]


def induce_long_tail(frame: pd.DataFrame, *, imbalance: float, seed: int, where: str) -> "pd.Series[str]":
    """The column `split` with training clips moved to "unused", so that the largest class has `imbalance` times the
    clips of the smallest one. 1 leaves the split as it is.

    The largest class keeps as many clips as every class has, n = min_c n_c; the others follow `count_long_tail`. The
    seed draws which class comes where in it, and which clips stay: those of a stronger imbalance are among those of a
    weaker one. Test clips stay as they are.

    Raises:
        UserError: a class would have no training clip left.
    """
    split = frame["split"].copy()
    if imbalance == 1:
        return split
    labels = frame["label"].to_numpy()
    own = [np.flatnonzero((labels == label) & (split == "train").to_numpy()) for label in range(labels.max() + 1)]
    largest = min(map(len, own))
    counts = count_long_tail(largest, len(own), imbalance=imbalance)
    if min(counts) < 1:
        raise UserError(
            f"{imbalance:g} leaves the smallest class without a training clip",
            where=f"{where}: option 'imbalance'",
            legal=f"at most {largest}, the training clips that every class has",
        )
    order = numpy_generator(seed, "long tail classes").permutation(len(own))
    dropped = [
        numpy_generator(seed, "long tail clips", int(label)).permutation(own[label])[count:]
        for label, count in zip(order, counts, strict=True)
    ]
    split.iloc[np.concatenate(dropped)] = "unused"
    return split


def add_unused(frame: pd.DataFrame) -> "pd.Series[str]":
    """The column `split` with every unused clip in training whose class and source hold no test clip."""
    split = frame["split"].copy()
    keys = pd.MultiIndex.from_frame(frame[["label", "group"]])
    leaking = keys.isin(keys[split == "test"])
    split[(split == "unused") & ~leaking] = "train"
    return split


def leaking_groups(frame: pd.DataFrame) -> list[str]:
    """The groups that have clips in training and in testing, sorted."""
    train, test = (set(frame.loc[frame["split"] == split, "group"]) for split in ("train", "test"))
    return sorted(train & test)


def hold_out(table: ClipTable, *, share: float) -> Ids:
    """The ids, ascending, of the training clips that are held out for validation: of each class about `share`.

    Clips of one source are held out together or not at all, as `split_by_group` draws them, the same whatever a run's
    seed. The test clips have no part in it.

    Raises:
        UserError: a class has training clips of one source only, which cannot be divided.
    """
    ids = table.train_ids
    groups = pd.factorize(table.groups[ids], sort=True)[0].astype(np.int64)
    held: Ids = ids[split_by_group(table.labels[ids], groups, test_share=share, seed=0)]
    counts = np.bincount(table.labels[held], minlength=len(table.classes))
    if (without := np.flatnonzero(counts == 0)).size:
        names = ", ".join(table.classes[label] for label in without[:3]) + (", ..." if len(without) > 3 else "")
        what = f"no training clip can be held out of: {names}"
        legal = "two sources or more a class, because a source is never divided"
        raise UserError(what, where="data.validation", legal=legal, hint="leave it at 0, or add clips")
    return held


def split_by_group(
    labels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], *, test_share: float, seed: int
) -> npt.NDArray[np.bool_]:
    """(n,) whether each clip is a test clip, where all clips of a group go to the same side.

    A group counts to the class of which it holds most clips (of equals, the first). Of each class the groups are
    shuffled, and the first k of them are for testing, with that k from 1 to all but one whose clips come closest to
    `test_share` of the class's (of equals, the smaller).

    Args:
        labels: (n,) the class of each clip, 0 to classes - 1.
        groups: (n,) the group of each clip, 0 to groups - 1.
        test_share: the share of clips wanted for testing, between 0 and 1.
        seed: draws the shuffles.

    Returns:
        A mask without any test clip of a class that has one group only.
    """
    pairs = pd.DataFrame({"group": groups, "label": labels}).value_counts(sort=False).reset_index()
    main = pairs.sort_values(["group", "count", "label"], ascending=[True, False, True]).drop_duplicates("group")
    sizes = np.bincount(groups)
    owner = main["label"].to_numpy()  # in the order of the groups, 0 to groups - 1
    tested = np.zeros(len(sizes), dtype=bool)
    by_class = np.argsort(owner, kind="stable")
    for own in np.split(by_class, np.flatnonzero(np.diff(owner[by_class])) + 1):
        shuffled = numpy_generator(seed, "test groups", int(owner[own[0]])).permutation(own)
        reached = np.cumsum(sizes[shuffled])
        if len(own) > 1:
            best = int(np.argmin(np.abs(reached[:-1] - test_share * reached[-1])))
            tested[shuffled[: best + 1]] = True
    return tested[groups]
