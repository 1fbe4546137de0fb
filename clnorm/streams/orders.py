"""The order in which the classes of a dataset come: drawn, listed, or as hard or easy as can be found."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from clnorm.errors import UserError
from clnorm.seeding import numpy_generator
from clnorm.streams.similarity import compare_names, read_similarity

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

LEGAL = ("seed", "random:N", "official", "alphabetical", "hard", "easy")
_STARTS, _PLACES = 8, 1000  # most random starts, and most classes in all of them, since a large order takes long
_LEAST = 1e-9  # by which a swap must help


def order_classes(
    num_classes: int, sizes: Sequence[int], *, seed: int, names: Sequence[str], order: str, similarity: str
) -> Ids:
    """The class ids in the order of training.

    Args:
        num_classes: C.
        sizes: classes of each experience.
        seed: of the run.
        names: of the classes, by id.
        order: `seed` is drawn from the run's seed; `random:N` is the order that seed N draws, whatever the run's;
            `official` is that of the dataset's own list; `alphabetical` that of the names; `hard` and `easy` are those
            of `arrange`.
        similarity: what `hard` and `easy` go by: `names` (`compare_names`), or a file of similarities.

    Raises:
        UserError: another order, or similarities that cannot be read, do not fit the classes, or that nothing uses.
    """
    where = "protocol: option 'order'"
    word, colon, number = order.partition(":")
    if similarity != "names" and order not in ("hard", "easy"):
        raise UserError(
            f"order={order} goes by no similarity, so that {similarity!r} would do nothing",
            where="protocol: option 'similarity'",
            hint="write order=hard or order=easy, or leave similarity out",
        )
    if order == "seed" or (word == "random" and number.isdecimal() and int(number) < 2**31):
        return numpy_generator(int(number) if colon else seed, "class order").permutation(num_classes)
    if order == "official":
        return np.arange(num_classes)
    if order == "alphabetical":
        return np.array(sorted(range(num_classes), key=names.__getitem__), dtype=np.int64)
    if order not in ("hard", "easy"):
        hint = "N is a whole number, such as random:1" if word == "random" else None
        raise UserError(f"{order!r} is not legal", where=where, legal=LEGAL, given=order, hint=hint)
    if len(sizes) < 2:
        raise UserError(
            f"one experience has no other to be like, so that {order} means nothing", where=where, legal=LEGAL
        )
    alike = compare_names(names) if similarity == "names" else read_similarity(similarity, names)
    return arrange(alike, sizes, hard=order == "hard")


def arrange(similarity: Floats, sizes: Sequence[int], *, hard: bool) -> Ids:
    """The classes in an order whose successive experiences are as unlike as can be found (hard), or as alike (easy).

    What is made least, or most, is the mean similarity between a class of one experience and a class of the next:

        S = mean over t < T, a in experience t, b in experience t + 1 of s(a, b)

    Source of S, and of the observation that accuracy rises with it: Lai et al., "The Lie of the Average: How Class
    Incremental Learning Evaluation Deceives You?", arXiv 2509.22580 (EDGE), where s is the cosine of CLIP's embeddings
    of the names and orders are built by clustering. The search is clnorm's own: from a few fixed orders, the exchange
    of two classes that helps most, until none helps; the best end is taken. Within an experience classes are ascending.

    Args:
        similarity: (classes, classes), symmetric.
        sizes: classes of each experience, which add up to all.
        hard: least, not most.
    """
    cost = np.where(np.eye(len(similarity), dtype=bool), 0.0, similarity if hard else -similarity)
    return _arrange(cost.tobytes(), tuple(sizes)).copy()


@lru_cache(maxsize=16)  # a run makes its stream several times, and a large one takes seconds
def _arrange(content: bytes, sizes: tuple[int, ...]) -> Ids:
    cost, count = np.frombuffer(content).reshape(sum(sizes), -1), sum(sizes)
    owner = np.repeat(np.arange(len(sizes)), sizes)  # of each place
    drawn = (
        numpy_generator(0, "class order search", k).permutation(count)
        for k in range(max(1, min(_STARTS, _PLACES // count)))
    )
    starts = [np.arange(count), *drawn]
    ends = [_improve(cost, owner[np.argsort(start)], len(sizes)) for start in starts]
    best = min(ends, key=lambda of_class: round(_total(cost, of_class), 9))
    return np.argsort(best, kind="stable")


def _improve(cost: Floats, of_class: Ids, experiences: int) -> Ids:
    """The experience of each class (classes,), when no exchange of two classes lowers the cost any more."""
    near = np.abs(np.subtract.outer(np.arange(experiences), np.arange(experiences))) == 1
    while True:
        members = np.arange(experiences)[:, None] == of_class
        would = near.astype(float) @ (members @ cost)  # (experiences, classes): the cost of a class if it were there
        moved = would[of_class].T  # [c, d]: that of c in the experience of d
        own = np.diag(moved)
        change = moved + moved.T - own[:, None] - own[None] + 2 * near[np.ix_(of_class, of_class)] * cost
        one, other = np.unravel_index(np.argmin(np.round(change, 9)), change.shape)
        if change[one, other] > -_LEAST:
            return of_class
        of_class = of_class.copy()
        of_class[[one, other]] = of_class[[other, one]]


def _total(cost: Floats, of_class: Ids) -> float:
    """The sum over pairs of classes of successive experiences."""
    return float(cost[np.subtract.outer(of_class, of_class) == 1].sum())


def mean_similarity(similarity: Floats, experiences: Sequence[Sequence[int]]) -> float:
    """S of `arrange`; NaN of a single experience."""
    pairs = [similarity[np.ix_(a, b)].ravel() for a, b in pairwise(experiences)]
    return float(np.concatenate(pairs).mean()) if pairs else float("nan")
