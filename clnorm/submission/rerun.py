"""A submitted run made again from its configuration, and compared bit for bit."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clnorm.errors import ClnormError, UserError
from clnorm.progress import Reporter
from clnorm.results.folder import RunFolder, read_predictions
from clnorm.results.record import RunRecord
from clnorm.submission.check import check_submission, open_run
from clnorm.submission.findings import Finding, RunReport, State, SubmissionReport
from clnorm.submission.submitted import PREDICTIONS, SubmittedRun

if TYPE_CHECKING:
    import pandas as pd

_CHECK = "rerun"
_KEYS = ("after", "clip")  # of a prediction
_BESIDE = {"keep_model": False, "save.prefixes": "none", "save.every_minutes": 0, "save.experiences": False}


def check_with_rerun(
    folder: str | Path,
    name: str,
    *,
    overrides: Mapping[str, Any],
    allow_plugins: Iterable[str] = (),
    reporter: Reporter | None = None,
) -> SubmissionReport:
    """Check a submission, then make one of its runs again, in a folder that is gone afterwards.

    Args:
        folder: of run folders.
        name: of the run, below it.
        overrides: dotted keys that say where things are here, such as `data.root`; what they make must be this run.
        allow_plugins: as of `clnorm.config.load.load_config`: what may be imported, which runs its code.
        reporter: told of the progress.

    Raises:
        UserError: there is no such run, something is wrong with it, or it would be another run with these overrides.
        ClnormError: it cannot be made here.
    """
    report = check_submission(folder)
    found = {run.name: run for run in report.runs}
    if name not in found:
        raise UserError(f"no run is called {name!r}", where="--rerun", legal=found, given=name)
    if found[name].state is State.WRONG:
        what = f"{name} is not made again, since something is wrong with it: {found[name].findings[0].error}"
        raise UserError(what, where="--rerun", hint="see all of it without --rerun")
    run = open_run(Path(folder) / name / "record.json")
    with tempfile.TemporaryDirectory() as out:
        changed = {**overrides, **_BESIDE, "out": out}
        record, predictions = _make_again(run, changed, allow_plugins, reporter or Reporter())
        errors = list(_compare(run, record, predictions))
    findings = tuple(Finding(_CHECK, error) for error in errors)
    return replace(report, rerun=RunReport(f"{name}, made again", (_CHECK,), findings))


def _make_again(
    run: SubmittedRun, overrides: Mapping[str, Any], allow_plugins: Iterable[str], reporter: Reporter
) -> "tuple[RunRecord, pd.DataFrame]":
    """The record and the predictions of the same configuration, trained here and now."""
    from clnorm.config.load import load_config
    from clnorm.data.open import read_table
    from clnorm.experiment import find_folder
    from clnorm.experiment import run as train

    config = load_config(run.require("config.yaml"), overrides, allow_plugins=allow_plugins)
    made: RunFolder = find_folder(config, read_table(config, reporter))
    if made.path.name != run.record.run:
        what = f"it would be {made.path.name}, which is another run"
        hint = "change only where things are, such as --data-root; allow the same plug-ins; give the same videos"
        raise UserError(what, where="--rerun", legal=run.record.run, hint=hint)
    record = train(config, reporter=reporter)
    return record, read_predictions(made.path / PREDICTIONS, record)


def _compare(run: SubmittedRun, record: RunRecord, predictions: "pd.DataFrame") -> Iterator[ClnormError]:
    """What differs between a submitted run and the same made here."""
    said, hint = run.record, _explain(run.record, record)
    if said.experiences != record.experiences or said.classes != record.classes:
        yield ClnormError("classes of the experiences differ", where="record.json", hint=hint)
    if said.matrix != record.matrix:
        what = f"matrix is {said.matrix}, and {record.matrix} when it is made again"
        yield ClnormError(what, where="record.json", hint=hint)
    own = run.predictions
    if list(own.columns) != list(predictions.columns) or len(own) != len(predictions):
        what = f"has {len(own)} rows of {', '.join(own.columns)}"
        legal = f"{len(predictions)} rows of {', '.join(predictions.columns)}"
        yield ClnormError(what, where=PREDICTIONS, legal=legal, hint=hint)
        return
    for column in own.columns:
        before, now = own[column].to_numpy(), predictions[column].to_numpy()
        if before.dtype != now.dtype or before.tobytes() != now.tobytes():
            same = (before == now) | ((before != before) & (now != now))
            largest = f", by {np.nanmax(np.abs(before - now)):.2g} at most" if column not in _KEYS else ""
            what = f"{column} differs in {np.count_nonzero(~same)} of {len(same)} rows{largest}"
            yield ClnormError(what, where=PREDICTIONS, legal="the same bits", hint=hint)


def _explain(said: RunRecord, record: RunRecord) -> str:
    """What else differs between the two, which may be why."""
    there, here = ({**each.versions, **each.execution} for each in (said, record))
    names = [
        name for name in dict.fromkeys([*there, *here]) if name != "measured" and there.get(name) != here.get(name)
    ]
    told = [f"{name} {there.get(name)} there and {here.get(name)} here" for name in names]
    if said.data.get("content") != record.data.get("content"):
        told.append("the decoded clips differ")
    if not told:
        return "versions, machine and clips are the same, so that the numbers should be"
    return f"this may be why: {'; '.join(told)}"
