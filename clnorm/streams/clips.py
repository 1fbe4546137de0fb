"""Which clip belongs to which experience."""

from collections.abc import Sequence

import numpy as np

from clnorm.data.table import ClipTable, Ids
from clnorm.errors import UserError
from clnorm.seeding import numpy_generator
from clnorm.streams.cut import Cut

Roles = tuple[tuple[str, Ids], tuple[str, Ids]]


def assign_clips(cut: Cut, table: ClipTable, train_ids: Ids, test_ids: Ids, *, seed: int) -> Ids:
    """(clips,) the experience of each clip; one that is unused goes by its class, or to the first experience.

    Clips that cannot be decoded are assigned too, so that they change nothing for the others.

    Args:
        cut: checked.
        table: all clips.
        train_ids: those to train on.
        test_ids: those to test on.
        seed: of the run, which draws what is divided or spread.

    Raises:
        UserError: clips or sources that cannot be divided so that each experience has some of each class.
    """
    if cut.divided == "clips":
        return _divide_clips(table, _roles(train_ids, test_ids), len(cut.classes), seed=seed)
    if cut.divided == "sources":
        return _divide_sources(table, _roles(train_ids, test_ids), len(cut.classes), seed=seed)
    owner = np.empty(len(table.classes), dtype=np.int64)
    for index, group in enumerate(cut.classes):
        owner[group] = index
    of_clip = owner[table.labels]
    return _spread(cut, table, train_ids, of_clip, seed=seed) if cut.share else of_clip


def _spread(cut: Cut, table: ClipTable, train_ids: Ids, of_clip: Ids, *, seed: int) -> Ids:
    """A share of each class's training clips dealt to the other experiences, one after the other."""
    count, spread, dealt = len(cut.classes), of_clip.copy(), 0
    if count < 2:
        raise UserError("there is no other experience to spread clips over", where="protocol", legal="experiences >= 2")
    generator = numpy_generator(seed, "blurry clips")
    for label in range(len(table.classes)):
        ids = train_ids[table.labels[train_ids] == label]
        moved = generator.permutation(ids)[: min(round(cut.share * len(ids)), len(ids) - 1)]
        others = np.array([index for index in range(count) if index != of_clip[ids[0]]]) if len(ids) else np.empty(0)
        # The next class begins where this one ended, so that few clips a class reach all experiences as well.
        spread[moved] = others[(dealt + np.arange(len(moved))) % (count - 1)] if len(moved) else 0
        dealt += len(moved)
    if not dealt:
        largest = int(np.bincount(table.labels[train_ids], minlength=1).max(initial=0))
        what = f"a share of {cut.share:g} of each class's training clips, {largest} at most, is no clip"
        raise UserError(what, where="protocol: option 'share'", hint="raise share, or write share=0")
    return spread


def _divide_clips(table: ClipTable, roles: Roles, count: int, *, seed: int) -> Ids:
    """The training clips, and the test clips, of each class dealt to all experiences in turn."""
    generator, of_clip = numpy_generator(seed, "domains of clips"), np.zeros(len(table), dtype=np.int64)
    for role, ids in roles:
        dealt = 0
        for label, name in enumerate(table.classes):
            own = ids[table.labels[ids] == label]
            if len(own) < count:
                fewest = int(np.bincount(table.labels[ids], minlength=len(table.classes)).min())
                raise _too_few(f"{name} has {len(own)} {role} clips, fewer than experiences", count, fewest)
            of_clip[generator.permutation(own)] = (dealt + np.arange(len(own))) % count
            dealt += len(own)
    return of_clip


def _divide_sources(table: ClipTable, roles: Roles, count: int, *, seed: int) -> Ids:
    """Each source whole in one experience, the largest first, to where its classes and roles have least so far."""
    used = np.concatenate([ids for _, ids in roles])
    if unknown := len(np.intersect1d(table.without_source, used)):
        raise UserError(
            f"the source of {unknown} of {len(used)} clips is not known",
            where="protocol: change=source",
            legal="a dataset with known sources, such as hmdb51 and ucf101",
            hint="see: clnorm data check; or write change=brightness, contrast, blur or colour",
        )
    names, source = np.unique(table.groups.astype(str), return_inverse=True)
    kinds = np.zeros((len(names), 2 * len(table.classes)))  # of each source, its clips by role and class
    for number, (_, ids) in enumerate(roles):
        np.add.at(kinds, (source[ids], table.labels[ids] + number * len(table.classes)), 1)
    drawn = numpy_generator(seed, "domains of sources").permutation(len(names))
    owner, held = np.zeros(len(names), dtype=np.int64), np.zeros((count, kinds.shape[1]))
    for chosen in drawn[np.argsort(-kinds.sum(axis=1)[drawn], kind="stable")]:
        sizes = held.sum(axis=1)
        # What the source adds to the sum of squares of all counts; then the smaller experience.
        owner[chosen] = min(range(count), key=lambda index: (held[index] @ kinds[chosen], sizes[index], index))
        held[owner[chosen]] += kinds[chosen]
    _require_all(held, table.classes, _count_sources(kinds))
    return owner[source]


def _count_sources(kinds: np.ndarray) -> int:
    """The fewest sources that a class has in one role."""
    return int((kinds > 0).sum(axis=0).min())


def _require_all(held: np.ndarray, classes: Sequence[str], fewest: int) -> None:
    lacking = np.argwhere(held == 0)
    if len(lacking):
        index, kind = map(int, lacking[0])
        role, name = ("training", "test")[kind // len(classes)], classes[kind % len(classes)]
        raise _too_few(f"no source is left with {role} clips of {name} in experience {index + 1}", len(held), fewest)


def _too_few(what: str, count: int, fewest: int) -> UserError:
    legal = f"2 to {fewest} experiences" if fewest >= 2 else "a dataset with two or more for each class and use"
    smaller = min(fewest, count - 1)
    hint = f"write experiences={smaller}" if smaller >= 2 else "choose another protocol: clnorm list protocols"
    return UserError(what, where="protocol", legal=legal, hint=hint)


def _roles(train_ids: Ids, test_ids: Ids) -> Roles:
    return ("training", train_ids), ("test", test_ids)
