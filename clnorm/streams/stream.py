"""A stream: the clips of a table, cut into experiences by a protocol."""

import hashlib
import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import index

import numpy as np

from clnorm.catalogue.registry import Spec
from clnorm.config.config import Config
from clnorm.data.augment.looks import Look
from clnorm.data.datasets.splits import hold_out
from clnorm.data.table import ClipTable
from clnorm.errors import UserError
from clnorm.streams.clips import assign_clips
from clnorm.streams.cut import Cut

ABSENT = -1
"""The experience of a class that the stream does not reach."""


@dataclass(frozen=True)
class Experience:
    """One experience of a stream.

    Args:
        index: its place in the stream.
        classes: ids of its own classes: those of its test clips.
        train_ids: the clips that it trains, ids of the table, ascending.
        test_ids: the clips that it is tested on, likewise.
    """

    index: int
    classes: tuple[int, ...]
    train_ids: np.ndarray
    test_ids: np.ndarray


@dataclass(frozen=True)
class ClipStream:
    """The experiences of a run.

    Args:
        experiences: in training order.
        targets: (clips,) int64; the output of the model that stands for each clip's class.
        order: (classes,) int64; the class id that each output stands for: classes in the order in which training
            reaches them, so that those seen so far are always the first outputs.
        reached: (classes,) int64, ascending; the experience in which training reaches each output's class.
        experience_of_clip: (clips,) int64; the experience that each clip belongs to.
        groups: (clips,) the source of each clip.
        knows_tasks: whether the experience of each clip is known, also at test.
        looks: how the clips of each experience look; empty where they look as they are.
        note: what has to be said of it, or nothing.
    """

    experiences: tuple[Experience, ...]
    targets: np.ndarray
    order: np.ndarray
    reached: np.ndarray
    experience_of_clip: np.ndarray
    groups: np.ndarray
    knows_tasks: bool = False
    looks: tuple[Look, ...] = ()
    note: str = ""

    @property
    def num_classes(self) -> int:
        return len(self.order)

    @property
    def classes(self) -> frozenset[int]:
        """The classes of all experiences, which are not all classes where the stream was cut short."""
        return frozenset(label for experience in self.experiences for label in experience.classes)

    @property
    def experience_of_class(self) -> np.ndarray:
        """(classes,) int64: the first experience that each class is tested in; `ABSENT` where there is none."""
        owner = np.full(self.num_classes, ABSENT, dtype=np.int64)
        for experience in reversed(self.experiences):
            owner[list(experience.classes)] = experience.index
        return owner

    @property
    def is_by_class(self) -> bool:
        """Whether the class of a test clip alone says in which experience it is tested."""
        return sum(len(experience.classes) for experience in self.experiences) == len(self.classes)

    @property
    def train_clips_per_class(self) -> np.ndarray:
        """(classes,) int64: the training clips of each class id."""
        ids = np.concatenate([experience.train_ids for experience in self.experiences])
        return np.bincount(self.targets[ids], minlength=self.num_classes)[np.argsort(self.order)]

    @property
    def digests(self) -> list[str]:
        """Of each experience, sha256 (hex) of what it trains.

        That is its clips and the outputs that stand for their classes; where it is not the usual, also what clips look
        like, and whether tasks are known.
        """
        parts = [np.stack([part.train_ids, self.targets[part.train_ids]]) for part in self.experiences]
        special = repr((self.knows_tasks, self.looks)).encode() if self.knows_tasks or self.looks else b""
        return [hashlib.sha256(part.astype(np.int64).tobytes() + special).hexdigest() for part in parts]

    @property
    def test_ids(self) -> np.ndarray:
        """The test clips of all experiences, in their order."""
        return np.concatenate([experience.test_ids for experience in self.experiences])

    def allowed(self, ids: np.ndarray) -> np.ndarray | None:
        """(n, classes) bool: the outputs that each clip of `ids` (n,) may be, where tasks are known; else None, all."""
        if not self.knows_tasks:
            return None
        of_output = self.experience_of_class[self.order]
        return np.asarray(of_output[None] == self.experience_of_clip[ids][:, None])

    def tested_after(self, index: int) -> np.ndarray:
        """The test clips of the experiences up to `index`, in their order."""
        return np.concatenate([self.test_ids[:0], *(part.test_ids for part in self.experiences[: index + 1])])

    def seen_after(self, index: int) -> int:
        """How many classes have been trained on when experience `index` ends."""
        return int(np.searchsorted(self.reached, index, side="right"))

    def first(self, count: int) -> "ClipStream":
        """The stream up to its experience `count`, with the outputs of all of it; 0 is all.

        Raises:
            UserError: it has fewer experiences.
        """
        if count > len(self.experiences):
            legal = f"1 to {len(self.experiences)}, or 0, which is all"
            raise UserError(f"there are no {count} experiences", where="train.experiences", legal=legal)
        return replace(self, experiences=self.experiences[:count]) if count else self

    def joined(self) -> "ClipStream":
        """The same clips and outputs as one single experience: what joint training sees."""
        own = self.classes
        whole = Experience(
            index=0,
            classes=tuple(label for label in self.order.tolist() if label in own),
            train_ids=np.concatenate([experience.train_ids for experience in self.experiences]),
            test_ids=np.concatenate([experience.test_ids for experience in self.experiences]),
        )
        reached = (self.reached >= len(self.experiences)).astype(np.int64)  # classes that the stream ends before
        of_clip = np.zeros_like(self.experience_of_clip)
        return replace(self, experiences=(whole,), reached=reached, experience_of_clip=of_clip)


def stream_of(config: Config, table: ClipTable, *, bad: Mapping[int, str] | None = None) -> ClipStream:
    """The stream that a run has of a table: its first experiences where it is limited to these.

    Args:
        config: of the run.
        table: the clips.
        bad: clips that cannot be decoded, which are left out; none by default.

    Raises:
        UserError: as `create_stream`, or there are fewer experiences.
    """
    stream = create_stream(table, config.protocol, seed=config.seed, bad=bad or {}, validation=config.data.validation)
    return stream.first(config.train.experiences)


def create_stream(
    table: ClipTable, protocol: Spec, *, seed: int, bad: Mapping[int, str], validation: float = 0.0
) -> ClipStream:
    """Cut a table into experiences.

    Args:
        table: the clips.
        protocol: the protocol with its options.
        seed: of what the protocol draws: the class order, or which clips go where.
        bad: clips that cannot be decoded, which are left out.
        validation: the share of each class's training clips that stand for the test clips, as `hold_out` draws them.

    Raises:
        UserError: a protocol that does not fit the classes or clips, a class left without training or test clips, or
            one of which nothing can be held out.
    """
    cut = cut_classes(protocol, table.classes, seed=seed)
    groups = cut.classes
    unusable = np.fromiter(bad, dtype=np.int64, count=len(bad))
    roles = _choose_ids(table, validation)
    train, test = (np.setdiff1d(ids, unusable) for ids in roles)
    for ids, role in ((train, "training"), (test, "test")):
        counts = np.bincount(table.labels[ids], minlength=len(table.classes))
        if (missing := np.flatnonzero(counts == 0)).size:
            names = ", ".join(table.classes[label] for label in missing)
            raise UserError(f"no {role} clips for: {names}", where=str(table.root), hint="add clips, or leave them out")
    of_clip = assign_clips(cut, table, *roles, seed=seed)
    order, reached = _order_outputs(groups, table.labels[train], of_clip[train])
    place = np.argsort(order)
    parts = [_by_experience(ids, of_clip[ids], len(groups)) for ids in (train, test)]
    experiences = tuple(
        Experience(index, tuple(group), *clips)
        for index, (group, *clips) in enumerate(zip(groups, *parts, strict=True))
    )
    return ClipStream(
        experiences,
        place[table.labels],
        order,
        reached,
        of_clip,
        table.groups,
        knows_tasks=cut.knows_tasks,
        looks=cut.looks,
        note=cut.note,
    )


def _choose_ids(table: ClipTable, validation: float) -> tuple[np.ndarray, np.ndarray]:
    """The clips to train and to test on."""
    if not validation:
        return table.train_ids, table.test_ids
    held = hold_out(table, share=validation)
    return np.setdiff1d(table.train_ids, held), held


def _order_outputs(groups: list[list[int]], labels: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class of each output, in the order in which training reaches them, and the experience that it does so in.

    Args:
        groups: the classes of each experience; those reached in one experience keep this order.
        labels: (n,) the class of each training clip.
        owner: (n,) its experience.
    """
    listed = np.array(list(dict.fromkeys(label for group in groups for label in group)), dtype=np.int64)
    first = np.full(len(listed), len(groups), dtype=np.int64)
    np.minimum.at(first, labels, owner)
    order = listed[np.argsort(first[listed], kind="stable")]
    return order, first[order]


def cut_classes(protocol: Spec, names: Sequence[str], *, seed: int) -> Cut:
    """What a protocol says of the classes, checked.

    Args:
        protocol: with its options.
        names: of the classes, by id.
        seed: of what the protocol draws.

    Raises:
        UserError: a protocol that does not fit the classes, or a plug-in that does not put each class into one
            experience.
    """
    make, count = protocol.bind(), len(names)
    named = {"names": tuple(names)} if "names" in inspect.signature(make).parameters else {}
    given = make(count, seed=seed, **named)
    cut = given if isinstance(given, Cut) else Cut(given)
    where, legal = f"protocol {protocol.name}", f"a list of experiences, each a list of ids from 0 to {count - 1}"
    try:
        groups = [[index(label) for label in group] for group in cut.classes]
    except TypeError:
        raise UserError(f"gave {str(cut.classes)[:80]}", where=where, legal=legal) from None
    if not groups or not all(groups):
        raise UserError("an experience is empty" if groups else "gave no experience", where=where, legal=legal)
    _check_extras(cut, len(groups), where=where)
    for part in [groups] if cut.divided == "classes" else [[group] for group in groups]:
        _check_partition(part, count, where=where, legal=legal)
    return replace(cut, classes=groups)


def _check_extras(cut: Cut, experiences: int, *, where: str) -> None:
    """Refuse what a plug-in's cut says beside the classes, where it contradicts itself."""
    if cut.looks and len(cut.looks) != experiences:
        legal = f"none, or {experiences}, one an experience"
        raise UserError(f"gave {len(cut.looks)} looks", where=where, legal=legal)
    if not 0 <= cut.share <= 1:
        raise UserError(f"gave a share of {cut.share}", where=where, legal="0 to 1")
    if cut.divided not in ("classes", "clips", "sources"):
        raise UserError(
            f"divides {cut.divided!r}", where=where, legal=("classes", "clips", "sources"), given=cut.divided
        )
    if cut.share and cut.knows_tasks:
        what = "gave a share of clips to other experiences, and tasks that are known, which such clips have not"
        raise UserError(what, where=where, legal="share=0, or knows_tasks=False")
    if cut.divided != "classes" and (cut.share or cut.knows_tasks):
        what = "gave a share, or tasks that are known, of experiences that all have the same classes"
        raise UserError(what, where=where, legal="share=0 and knows_tasks=False with divided='clips' or 'sources'")


def _check_partition(groups: list[list[int]], count: int, *, where: str, legal: str) -> None:
    """Refuse experiences that do not hold each of the `count` classes once."""
    counts = Counter(label for group in groups for label in group)
    for label in range(count):
        if counts[label] != 1:
            fault = "in no experience" if not counts[label] else "there more than once"
            raise UserError(f"class {label} is {fault}", where=where, legal=legal)
    if len(counts) > count:
        raise UserError(f"there is no class {max(counts)}", where=where, legal=legal)


def _by_experience(ids: np.ndarray, owner: np.ndarray, count: int) -> list[np.ndarray]:
    """The ids of each experience, ascending, by one sort; `owner` is the experience of each id."""
    return np.split(ids[np.argsort(owner, kind="stable")], np.cumsum(np.bincount(owner, minlength=count))[:-1])
