"""A stream: the clips of a table, cut into experiences by a protocol."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import index

import numpy as np

from clnorm.catalogue.registry import Spec
from clnorm.config.config import Config
from clnorm.data.datasets.splits import hold_out
from clnorm.data.table import ClipTable
from clnorm.errors import UserError

ABSENT = -1
"""The experience of a class that the stream does not reach."""


@dataclass(frozen=True)
class Experience:
    """One experience: its place in the stream, its classes (ids of the table), and its clips (ids of the table)."""

    index: int
    classes: tuple[int, ...]
    train_ids: np.ndarray
    test_ids: np.ndarray


@dataclass(frozen=True)
class ClipStream:
    """The experiences of a run.

    Args:
        experiences: in training order.
        targets: (clips,) int64; the output of the model that stands for each clip's class, which is the place of that
            class in the order of the stream, so that the classes seen so far are always the first outputs.
        order: (classes,) int64; the class id that each output stands for.
        groups: (clips,) the source of each clip.
    """

    experiences: tuple[Experience, ...]
    targets: np.ndarray
    order: np.ndarray
    groups: np.ndarray

    @property
    def num_classes(self) -> int:
        return len(self.order)

    @property
    def experience_of_class(self) -> np.ndarray:
        """(classes,) int64: the experience that each class id belongs to; `ABSENT` where the stream ends before it."""
        owner = np.full(self.num_classes, ABSENT, dtype=np.int64)
        for experience in self.experiences:
            owner[list(experience.classes)] = experience.index
        return owner

    @property
    def train_clips_per_class(self) -> np.ndarray:
        """(classes,) int64: the training clips of each class id."""
        ids = np.concatenate([experience.train_ids for experience in self.experiences])
        return np.bincount(self.targets[ids], minlength=self.num_classes)[np.argsort(self.order)]

    @property
    def digests(self) -> list[str]:
        """Of each experience, sha256 (hex) of its training clips and the outputs that stand for their classes."""
        parts = [np.stack([part.train_ids, self.targets[part.train_ids]]) for part in self.experiences]
        return [hashlib.sha256(part.astype(np.int64).tobytes()).hexdigest() for part in parts]

    @property
    def test_ids(self) -> np.ndarray:
        """The test clips of all experiences, in their order."""
        return np.concatenate([experience.test_ids for experience in self.experiences])

    def seen_ids(self, seen: int) -> np.ndarray:
        """The test clips whose class is among the first `seen` outputs."""
        return np.asarray(self.test_ids[self.targets[self.test_ids] < seen])

    def seen_after(self, index: int) -> int:
        """How many classes have been trained on when experience `index` ends."""
        return sum(len(experience.classes) for experience in self.experiences[: index + 1])

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
        whole = Experience(
            index=0,
            classes=tuple(label for experience in self.experiences for label in experience.classes),
            train_ids=np.concatenate([experience.train_ids for experience in self.experiences]),
            test_ids=np.concatenate([experience.test_ids for experience in self.experiences]),
        )
        return replace(self, experiences=(whole,))


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
        seed: of the class order, for the protocols that draw one.
        bad: clips that cannot be decoded, which are left out.
        validation: the share of each class's training clips that stand for the test clips, as `hold_out` draws them.

    Raises:
        UserError: a protocol that does not fit the classes, a class left without training or test clips, or one of
            which nothing can be held out.
    """
    groups = cut_classes(protocol, len(table.classes), seed=seed)
    order = np.array([label for group in groups for label in group], dtype=np.int64)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    unusable = np.fromiter(bad, dtype=np.int64, count=len(bad))
    train, test = (np.setdiff1d(ids, unusable) for ids in _choose_ids(table, validation))
    for ids, role in ((train, "training"), (test, "test")):
        counts = np.bincount(table.labels[ids], minlength=len(table.classes))
        if (missing := np.flatnonzero(counts == 0)).size:
            names = ", ".join(table.classes[label] for label in missing)
            raise UserError(f"no {role} clips for: {names}", where=str(table.root), hint="add clips, or leave them out")
    owner = np.empty_like(order)
    owner[order] = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    parts = [_by_experience(ids, owner[table.labels[ids]], len(groups)) for ids in (train, test)]
    experiences = tuple(
        Experience(index, tuple(group), *clips)
        for index, (group, *clips) in enumerate(zip(groups, *parts, strict=True))
    )
    return ClipStream(experiences, place[table.labels], order, table.groups)


def _choose_ids(table: ClipTable, validation: float) -> tuple[np.ndarray, np.ndarray]:
    """The clips to train and to test on."""
    if not validation:
        return table.train_ids, table.test_ids
    held = hold_out(table, share=validation)
    return np.setdiff1d(table.train_ids, held), held


def cut_classes(protocol: Spec, num_classes: int, *, seed: int) -> list[list[int]]:
    """The class ids of each experience, in the order of training.

    Raises:
        UserError: a protocol that does not fit the classes, or a plug-in that does not put each class into one
            experience.
    """
    given = protocol.build(num_classes, seed=seed)
    where, legal = f"protocol {protocol.name}", f"a list of experiences, each a list of ids from 0 to {num_classes - 1}"
    try:
        groups = [[index(label) for label in group] for group in given]
    except TypeError:
        raise UserError(f"gave {str(given)[:80]}", where=where, legal=legal) from None
    counts = Counter(label for group in groups for label in group)
    for label in range(num_classes):
        if counts[label] != 1:
            fault = "in no experience" if not counts[label] else "there more than once"
            raise UserError(f"class {label} is {fault}", where=where, legal=legal)
    if len(counts) > num_classes or not all(groups):
        what = "an experience is empty" if not all(groups) else f"there is no class {max(counts)}"
        raise UserError(what, where=where, legal=legal)
    return groups


def _by_experience(ids: np.ndarray, owner: np.ndarray, count: int) -> list[np.ndarray]:
    """The ids of each experience, ascending, by one sort; `owner` is the experience of each id."""
    return np.split(ids[np.argsort(owner, kind="stable")], np.cumsum(np.bincount(owner, minlength=count))[:-1])
