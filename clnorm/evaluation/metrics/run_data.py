"""What a run keeps, as far as metrics are computed from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from clnorm.errors import UserError
from clnorm.evaluation.matrix import UNTRAINED, accuracy_matrix, class_accuracies

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NO_CLASS = -1  # predicted where nothing could be, as where no class has a mean to be near to


@dataclass(frozen=True)
class RunData:
    """A finished run, for metrics: experiences are counted from 0, accuracies are shares from 0 to 1.

    Args:
        matrix: R, shape (steps, n): the accuracy on each experience after each step; NaN where not evaluated.
        test_clips: test clips of each experience, shape (n,).
        experiences: the class ids of each experience.
        train_clips: training clips of each class, by class id, where the record has them.
        untrained: the accuracy on each experience before any training, shape (n,), where it was measured.
        joint: the matrix of joint training under the same conditions, shape (1, n), where there is such a run.
        frames: what else the run keeps, by name: `predictions`, and others that it was asked for.
        num_classes: of the dataset, where there may be more than the experiences have.
    """

    matrix: npt.ArrayLike
    test_clips: Sequence[float]
    experiences: Sequence[Sequence[int]]
    train_clips: Sequence[int] | None = None
    untrained: Sequence[float] | Floats | None = None
    joint: npt.ArrayLike | None = None
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    num_classes: int = 0

    @property
    def R(self) -> Floats:  # noqa: N802 - the matrix as formulas write it
        """The accuracy matrix as numbers."""
        return np.asarray(self.matrix, dtype=np.float64)

    @property
    def class_counts(self) -> list[int]:
        """Classes of each experience."""
        return [len(classes) for classes in self.experiences]

    @cached_property
    def experience_of_class(self) -> Ints:
        """As the function of this name."""
        return experience_of_class(self.experiences, count=self.num_classes)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row for each test clip and step: `after`, `clip`, `label`, `predicted`, `rank`, `confidence`.

        Those before any training are left out.
        """
        frame = self.frames["predictions"]
        return frame[frame["after"] != UNTRAINED]

    @cached_property
    def last_predictions(self) -> pd.DataFrame:
        """The predictions after the last step."""
        frame = self.predictions
        last: pd.DataFrame = frame[frame["after"] == frame["after"].max()]
        return last

    @cached_property
    def present(self) -> Ints:
        """The ids of the classes that the experiences have, ascending: not all where a stream was cut short."""
        return np.flatnonzero(self.experience_of_class >= 0).astype(np.int64)

    @cached_property
    def class_matrix(self) -> Floats:
        """A, shape (steps, classes): the accuracy on each class that is `present` after each step."""
        return class_accuracies(self.predictions, num_classes=len(self.experience_of_class))[:, self.present]

    @property
    def class_experiences(self) -> Ints:
        """The experience of each class that is `present`."""
        return np.asarray(self.experience_of_class[self.present])

    @property
    def last_class_experiences(self) -> Ints:
        """The last experience that has each class that is `present`."""
        return np.asarray(experience_of_class(self.experiences, count=self.num_classes, last=True)[self.present])

    @property
    def class_train_clips(self) -> list[int]:
        """Training clips of each class that is `present`, where the record has them; else none."""
        return [] if self.train_clips is None else [int(self.train_clips[label]) for label in self.present]

    def matrix_of(self, column: str) -> Floats:
        """R by another column of class ids than `predicted`; NaN where a clip has none in it."""
        rows = self.predictions
        absent = rows[column].isna()

        def share(predicted: "pd.Series[int]") -> Floats:
            owner, count = self.experience_of_class, len(self.experiences)
            shown = rows.assign(predicted=predicted)
            return accuracy_matrix(shown, experience_of_class=owner, num_experiences=count)

        found = share(rows[column].mask(absent, _NO_CLASS))
        return np.where(share(rows["label"].where(absent, _NO_CLASS)) > 0, np.nan, found) if absent.any() else found

    def experiences_of(self, labels: npt.ArrayLike) -> Ints:
        """The experience of each class id; -1 where it is -1, which stands for no class.

        Raises:
            UserError: one is no class.
        """
        ids = np.asarray(labels, dtype=np.int64)
        count = len(self.experience_of_class)
        if len(ids) and not _NO_CLASS <= ids.min() <= ids.max() < count:
            worst = int(ids.min() if ids.min() < _NO_CLASS else ids.max())
            raise UserError(f"{worst} is no class", where="predictions", legal=f"0 to {count - 1}")
        found: Ints = np.where(ids == _NO_CLASS, -1, self.experience_of_class[ids])
        return found


def experience_of_class(experiences: Sequence[Sequence[int]], *, count: int = 0, last: bool = False) -> Ints:
    """The first experience that has each class, by class id, shape (classes,); -1 where none has it.

    Args:
        experiences: the class ids of each experience.
        count: of classes, where there may be more than these.
        last: give the last one that has it instead, which is the same where experiences share no classes.
    """
    known = 1 + max(label for classes in experiences for label in classes)
    owner = np.full(max(known, count), -1, dtype=np.int64)
    for index, classes in list(enumerate(experiences))[:: 1 if last else -1]:
        owner[list(classes)] = index
    return owner
