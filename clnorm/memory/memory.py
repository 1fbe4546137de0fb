"""A memory of clips: which are kept when an experience ends, and what a method keeps beside each of them.

It holds ids, never pixels: a run's store has those. Every clip has a key that it was kept by, and those with the lowest
keys stay. A key that is drawn uniformly makes that a uniform sample of all that was ever offered, however often it is
cut again: reservoir sampling (Vitter, ACM TOMS 1985), in its form for samples of several streams.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from clnorm.errors import UserError
from clnorm.memory.herding import herd

if TYPE_CHECKING:
    from torch import Tensor

Ints = np.ndarray
Floats = np.ndarray


@dataclass(frozen=True)
class Budget:
    """How many clips a memory holds: so many of each class, or so many in all.

    Args:
        per_class: clips of each class, so that the memory grows with the classes; None with a total.
        total: clips in all; None without one.
        select: which are kept. `random` and `herding` keep equally many of each class seen; `reservoir` keeps a uniform
            sample of all clips seen, whatever their classes.

    Raises:
        UserError: both numbers or none, or a reservoir by class, which is `random`.
    """

    per_class: int | None
    total: int | None
    select: str = "random"

    def __post_init__(self) -> None:
        if (self.per_class is None) == (self.total is None):
            given = "neither" if self.total is None else f"both: per_class={self.per_class} and total={self.total}"
            raise UserError(
                f"a memory has one size, and this one has {given}",
                where="memory",
                legal="per_class=K, or per_class=none,total=M",
            )
        if self.select == "reservoir" and self.total is None:
            what = "select=reservoir samples from all clips alike, so that there is no number for each class"
            raise UserError(what, where="memory", legal="per_class=none,total=M,select=reservoir, or select=random")

    def check(self, classes: int) -> None:
        """Refuse a memory that cannot hold a clip of each class.

        Raises:
            UserError: it cannot.
        """
        if self.total is not None and self.total < classes:
            what = f"total={self.total} clips cannot hold one of each of {classes} classes"
            raise UserError(what, where="memory", legal=f"total={classes} or more", hint="or use per_class=K")

    def quota(self, classes: int) -> list[int]:
        """How many clips each of the classes seen may have; of a total that does not divide, the first have one more.

        A class that has fewer clips leaves its places empty.
        """
        if self.total is None:
            return [self.per_class or 0] * classes
        small, more = divmod(self.total, classes)
        return [small + (place < more) for place in range(classes)]


@dataclass
class Memory:
    """The clips kept, in the order in which their classes came, and within a class by how early they would stay.

    Args:
        budget: how many, and which.

    Attributes:
        ids: (m,) int64 the clips.
        labels: (m,) int64 their targets.
        keys: (m,) float64 by which they were kept; what is cut goes from the highest key of a class on.
        payload: by name, (m, ...) what a method keeps beside each clip, such as the logits that it had.
    """

    budget: Budget
    ids: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    labels: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    keys: Floats = field(default_factory=lambda: np.empty(0, dtype=np.float64))
    payload: dict[str, "Tensor"] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def update(
        self,
        ids: Ints,
        labels: Ints,
        *,
        generator: np.random.Generator,
        features: Callable[[Ints], Floats] | None = None,
    ) -> None:
        """Offer the clips of an experience; the payload of clips that go is dropped, and new ones have none yet.

        Args:
            ids: (n,) the clips.
            labels: (n,) their targets.
            generator: draws which are kept.
            features: of clips (k,), their features (k, C), for herding.
        """
        new_ids, new_labels, keys = self._order(ids, labels, generator=generator)
        old = {int(clip): place for place, clip in enumerate(self.ids)}
        merged = [np.concatenate(pair) for pair in ((self.ids, new_ids), (self.labels, new_labels), (self.keys, keys))]
        kept = self._keep(*merged, features=features)
        self.ids, self.labels, self.keys = (part[kept] for part in merged)
        self._carry_payload(old)

    def add_payload(self, ids: Ints, values: dict[str, "Tensor"]) -> None:
        """Give clips of the memory what a method keeps of them.

        Args:
            ids: (k,) clips that it holds.
            values: by name, (k, ...).
        """
        import torch

        rows = torch.as_tensor(self.rows(ids))
        for name, value in values.items():
            if name not in self.payload:
                self.payload[name] = value.new_zeros(len(self), *value.shape[1:])
            self.payload[name][rows] = value

    def rows(self, ids: Ints) -> Ints:
        """(k,) the place of each of the clips `ids` (k,) in the memory."""
        place = {int(clip): row for row, clip in enumerate(self.ids)}
        return np.array([place[int(clip)] for clip in ids], dtype=np.int64)

    def state_dict(self) -> dict[str, Any]:
        import torch

        held = {"ids": self.ids, "labels": self.labels, "keys": self.keys}
        return {**{name: torch.as_tensor(value) for name, value in held.items()}, "payload": dict(self.payload)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ids, self.labels, self.keys = (state[name].numpy() for name in ("ids", "labels", "keys"))
        self.payload = dict(state["payload"])

    def _order(self, ids: Ints, labels: Ints, *, generator: np.random.Generator) -> tuple[Ints, Ints, Floats]:
        """The clips offered, class by class and each in random order, with their keys, which rise within a class."""
        classes = np.unique(labels)
        shuffled = [generator.permutation(ids[labels == label]) for label in classes]
        if self.budget.select == "reservoir":
            keys = [np.sort(generator.random(len(part))) for part in shuffled]
        else:
            # A spawned generator, so that which clips of a new class are kept is the permutation's choice alone.
            drawn = generator.spawn(1)[0]
            keys = [np.sort(drawn.random(len(part))) for part in shuffled]
        counts = [len(part) for part in shuffled]
        return np.concatenate(shuffled), np.repeat(classes, counts), np.concatenate(keys)

    def _keep(self, ids: Ints, labels: Ints, keys: Floats, *, features: Callable[[Ints], Floats] | None) -> Ints:
        """The places of the clips that stay, classes in the order in which they came."""
        if self.budget.select == "reservoir":
            stay = np.argsort(keys, kind="stable")[: self.budget.total]
            return np.sort(stay)
        order = list(dict.fromkeys(labels.tolist()))
        kept = []
        for label, most in zip(order, self.budget.quota(len(order)), strict=True):
            places = np.flatnonzero(labels == label)
            places = places[np.argsort(keys[places], kind="stable")]
            arrived = places >= len(self.ids)
            if self.budget.select == "herding" and arrived.any():
                if features is None:
                    raise TypeError("herding needs features")
                chosen = herd(features(ids[places]), min(most, len(places)))
                # What herding chose is kept by its rank from now on.
                keys[places[chosen]] = np.arange(len(chosen))
                places = places[chosen]
            kept.append(places[:most])
        return np.concatenate(kept)

    def _carry_payload(self, old: dict[int, int]) -> None:
        stayed = [(row, old[int(clip)]) for row, clip in enumerate(self.ids) if int(clip) in old]
        for name, values in self.payload.items():
            carried = values.new_zeros(len(self), *values.shape[1:])
            for row, before in stayed:
                carried[row] = values[before]
            self.payload[name] = carried
