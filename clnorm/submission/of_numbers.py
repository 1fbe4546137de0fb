"""The numbers of a submitted run, computed anew from its predictions and compared with what it says."""

import json
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from clnorm.errors import ClnormError
from clnorm.evaluation.matrix import UNTRAINED
from clnorm.evaluation.metrics import METRICS
from clnorm.results.folder import write_matrix
from clnorm.results.kept import SAME, defined, read_matrices
from clnorm.submission.findings import NotCheckedError
from clnorm.submission.submitted import AS_WRITTEN, PREDICTIONS, SubmittedRun

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 3  # numbers that are named of those that differ


def check_matrix(run: SubmittedRun) -> Iterator[ClnormError]:
    """The accuracies of the predictions are those of the record and of `matrix.csv`, to the last bit."""
    record, last = run.record, len(run.record.experiences) - 1
    after = run.predictions["after"].to_numpy()
    if not ((after >= UNTRAINED) & (after <= last)).all():
        legal = f"steps from {UNTRAINED}, before training, to {last}"
        raise ClnormError("has predictions after other steps", where=PREDICTIONS, legal=legal, hint=AS_WRITTEN)
    found = read_matrices(run.predictions, record)
    yield from _compare_cells("matrix", found["matrix"], record.matrix)
    untrained = [[row] if row is not None else [] for row in (found["untrained"], record.untrained)]
    yield from _compare_cells("untrained", *untrained)
    if (counts := _count_clips(run)) != record.data["test_clips"]:
        what = f"data.test_clips is {record.data['test_clips']}, and the predictions are of {counts} clips"
        yield ClnormError(what, where="record.json", legal=str(counts), hint=AS_WRITTEN)
    if run.require("matrix.csv").read_bytes() != write_matrix(record).encode():
        what, legal = "is not the matrix of record.json", "the same numbers, as a run writes them"
        yield ClnormError(what, where="matrix.csv", legal=legal, hint=AS_WRITTEN)


def check_metrics(run: SubmittedRun, names: Collection[str] = METRICS) -> Iterator[ClnormError]:
    """Each metric of the record is what clnorm computes of what the run keeps.

    Args:
        run: whose matrix holds.
        names: which of clnorm's own metrics are computed.
    """
    record = run.record
    for name in names:
        if name not in record.metrics:
            continue
        value, reason = run.measure(name)
        found, said = defined(value), record.metrics[name]
        if not _agree(found, said):
            what = f"metrics.{name} is {_text(said)}, and what the run keeps gives {_text(found)}"
            what += f": {reason}" if reason else ""
            hint = "bring back the record that the run wrote, with the files that it was computed from"
            yield ClnormError(what, where="record.json", legal=_text(found), hint=hint)
    others = sorted(record.metrics.keys() - METRICS.keys())
    if others and names is METRICS:
        what = f"metrics.{', '.join(others)}: of plug-ins, which are not imported"
        yield NotCheckedError(what, where="record.json", hint="nothing is shown of them")


def _agree(found: float | None, said: float | None) -> bool:
    """Whether two values of a metric are the same, but for sums in another order."""
    return found is said if found is None or said is None else abs(found - said) <= SAME


def _compare_cells(
    name: str, found: "Sequence[Sequence[Any]]", said: "Sequence[Sequence[Any]]"
) -> Iterator[ClnormError]:
    """The cells in which two matrices differ, the first few of them; or that they are not of one shape."""
    shapes = [(len(rows), [len(row) for row in rows]) for rows in (found, said)]
    if shapes[0] != shapes[1]:
        what = f"{name} has {shapes[1][0]} rows, and the predictions give {shapes[0][0]}"
        yield ClnormError(what, where="record.json", legal=f"{shapes[0][0]} rows", hint=AS_WRITTEN)
        return
    cells = [
        f"{name}[{row}, {column}] is {_text(given)}, and {_text(value)} by {PREDICTIONS}"
        for row, values in enumerate(found, start=1)
        for column, value in enumerate(values, start=1)
        if (given := said[row - 1][column - 1]) != value
    ]
    if cells:
        more = f"; and {len(cells) - _MOST} more" if len(cells) > _MOST else ""
        legal = "the accuracies of the predictions"
        yield ClnormError("; ".join(cells[:_MOST]) + more, where="record.json", legal=legal, hint=AS_WRITTEN)


def _count_clips(run: SubmittedRun) -> list[int]:
    """The test clips of each experience, by the predictions after the last step."""
    import numpy as np

    from clnorm.evaluation.metrics.run_data import experience_of_class

    frame, experiences = run.predictions, run.record.experiences
    after = frame["after"].to_numpy()
    last = after == after.max()
    if "experience" in frame.columns:
        owner = frame["experience"].to_numpy()[last]
    else:
        owner = experience_of_class(experiences)[frame["label"].to_numpy()[last]]
    return [int(count) for count in np.bincount(owner, minlength=len(experiences))]


def _text(value: float | None) -> str:
    return "none" if value is None else json.dumps(value)
