"""What lies in a run's folder as tables, read when a metric asks for it, and compared with the record."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clnorm.errors import ClnormError, UserError
from clnorm.evaluation.matrix import UNTRAINED, accuracy_matrix
from clnorm.evaluation.metrics.needs import FRAME
from clnorm.evaluation.metrics.run_data import experience_of_class
from clnorm.results.folder import read_frame, read_predictions
from clnorm.results.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-9
"""By how much a number of clnorm's own may differ from what a record says: sums in another order."""
ANEW = "bring back the file that this run wrote, or delete the folder to run it again"
"""What to do where a file of a run is not what it was."""


class KeptFrames(Mapping[str, "pd.DataFrame"]):
    """The tables in a run's folder by name, without `.parquet`; each is read when it is first asked for.

    Args:
        folder: of the run.
        record: its record.
        known: tables that need not be read.
    """

    def __init__(self, folder: Path, record: RunRecord, known: "Mapping[str, pd.DataFrame] | None" = None) -> None:
        self._folder, self._record, self._read = folder, record, dict(known or {})

    def __getitem__(self, name: str) -> "pd.DataFrame":
        if name not in self._read:
            if name not in self:
                raise KeyError(name)
            self._read[name] = self._load(name)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._read or (isinstance(name, str) and self._file(name).is_file())

    def __iter__(self) -> Iterator[str]:
        names = (file.stem for file in self._folder.glob("*.parquet"))
        return iter(sorted({*self._read, *(name for name in names if FRAME.fullmatch(name))}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.parquet"

    def _load(self, name: str) -> "pd.DataFrame":
        file = self._file(name)
        if name != "predictions":
            return read_frame(file, hint=ANEW)
        frame = read_predictions(file, self._record)
        try:
            found = read_matrices(frame, self._record)["matrix"]
        except ClnormError as error:
            raise error.within(str(file)) from error
        if not _agree(found, self._record.matrix):
            what = "is of another run: its accuracies are not those of the record beside it"
            raise ClnormError(what, where=str(file), hint=ANEW)
        return frame


def read_matrices(predictions: "pd.DataFrame", record: RunRecord) -> dict[str, Any]:
    """The accuracies of predictions, as fields of the record.

    Raises:
        ClnormError: they are no predictions of its classes.
    """
    owner, count = experience_of_class(record.experiences), len(record.experiences)

    def matrix(rows: "pd.DataFrame") -> list[list[float | None]]:
        found = accuracy_matrix(rows, experience_of_class=owner, num_experiences=count)
        return [[defined(value) for value in row] for row in found]

    try:
        is_before = predictions["after"].to_numpy() == UNTRAINED
        if not is_before.any():
            return {"matrix": matrix(predictions), "untrained": None}
        untrained = matrix(predictions[is_before].assign(after=0))[0]
        return {"matrix": matrix(predictions[~is_before]), "untrained": untrained}
    except (ValueError, KeyError, TypeError, IndexError, UserError) as error:
        raise ClnormError(f"the predictions are not those of a run ({error})", hint=ANEW) from error


def _agree(found: list[list[float | None]], recorded: list[list[float | None]]) -> bool:
    """Whether two matrices have the same accuracies, but for rounding."""
    a, b = np.array(numbers(found)), np.array(numbers(recorded))
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=SAME, equal_nan=True)


def numbers(rows: list[list[float | None]]) -> list[list[float]]:
    """Rows of a record, NaN where they are null."""
    return [[math.nan if value is None else value for value in row] for row in rows]


def defined(value: float) -> float | None:
    """JSON has no NaN: what is undefined is null."""
    return None if math.isnan(value) else float(value)
