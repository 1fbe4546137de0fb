"""What is audited: a table, the pixels' statistics of its usable clips, and the experiences of a stream."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clnorm.audit.measures import Measures
from clnorm.data.store.store import ClipStore
from clnorm.data.table import SPLITS, ClipTable, Ids


@dataclass(frozen=True, eq=False)
class Subject:
    """One dataset, ready to be examined.

    Args:
        table: all clips, bad ones included.
        store: their decoded pixels.
        measures: of every clip; NaN and zeros for a bad one.
        experiences: the classes of each experience, in order; none where the protocol does not fit.
        no_stream: why there are no experiences, or nothing.
        seed: of all that the audit draws.
    """

    table: ClipTable
    store: ClipStore
    measures: Measures
    experiences: tuple[tuple[int, ...], ...]
    no_stream: str
    seed: int

    @cached_property
    def good(self) -> npt.NDArray[np.bool_]:
        """(n,) whether a clip can be decoded."""
        good = np.ones(len(self.table), dtype=bool)
        good[list(self.store.bad)] = False
        return good

    @cached_property
    def splits(self) -> npt.NDArray[np.str_]:
        """(n,) the split of every clip."""
        return np.asarray(self.table.frame["split"].tolist(), dtype=f"<U{max(map(len, SPLITS))}")

    @cached_property
    def train(self) -> Ids:
        """The ids of the training clips that can be decoded, ascending."""
        return self.table.train_ids[self.good[self.table.train_ids]]

    @cached_property
    def test(self) -> Ids:
        """The ids of the test clips that can be decoded, ascending."""
        return self.table.test_ids[self.good[self.table.test_ids]]

    @cached_property
    def sources(self) -> Ids:
        """(n,) a number for each clip's source, whatever its class."""
        return np.unique(self.table.groups.astype(str), return_inverse=True)[1].astype(np.int64)

    @property
    def has_sources(self) -> bool:
        """Whether any two clips share a source; if none do, the reader knows of no sources."""
        return len(np.unique(self.sources)) < len(self.table)

    def path(self, clip: int) -> str:
        """The path of a clip below the dataset's folder."""
        return str(self.table.frame["path"].iloc[clip])

    def class_of(self, clip: int) -> str:
        """The name of a clip's class."""
        name: str = self.table.classes[self.table.labels[clip]]
        return name

    def train_of(self, experience: tuple[int, ...]) -> Ids:
        """The training clips of an experience."""
        return self.train[np.isin(self.table.labels[self.train], experience)]
