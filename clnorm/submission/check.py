"""The check of a submission: every run below a folder, each by itself and all together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from clnorm.errors import ClnormError, UserError
from clnorm.results.find import find_records
from clnorm.results.record import read_record
from clnorm.submission.across import check_copies, check_seeds
from clnorm.submission.findings import Finding, RunReport, SubmissionReport
from clnorm.submission.of_files import check_files
from clnorm.submission.of_numbers import check_matrix, check_metrics
from clnorm.submission.of_record import check_config, check_id, check_label, check_names, check_texts
from clnorm.submission.of_stream import check_clips, check_predictions, check_protocol
from clnorm.submission.submitted import AS_WRITTEN, MOST_BYTES, SubmittedRun

Subject = TypeVar("Subject")
Check = Callable[[Subject], Iterator[ClnormError]]

CHECKS: Mapping[str, Check[SubmittedRun]] = {
    "files": check_files,
    "texts": check_texts,
    "config": check_config,
    "names": check_names,
    "id": check_id,
    "label": check_label,
    "clips": check_clips,
    "protocol": check_protocol,
    "predictions": check_predictions,
    "matrix": check_matrix,
    "metrics": check_metrics,
}
"""What is checked of each run, by name."""

TOGETHER: Mapping[str, Check[Sequence[SubmittedRun]]] = {"seeds": check_seeds, "copies": check_copies}
"""What is checked of all runs together, by name."""

_WHOLE = "all runs"
_FAULTS = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, MemoryError)
"""What reading a value of an unforeseen kind may raise, in a record that only looks like one."""


def check_submission(folder: str | Path) -> SubmissionReport:
    """What is right, wrong and not to be checked in the runs below a folder; no code of theirs is run.

    Args:
        folder: of run folders, at any depth.

    Returns:
        A report for each run, by its place, and one for all of them together.

    Raises:
        UserError: there is no such folder, or no run in it.
    """
    root = Path(folder)
    files, problems = list_records(root)
    reports = [_refuse(error) for error in problems]
    runs = list[SubmittedRun]()
    for file in files:
        name = file.parent.relative_to(root).as_posix()
        try:
            _refuse_link(file.parent, root)
            run = open_run(file)
        except ClnormError as error:
            reports.append(_refuse(ClnormError(error.what, where="record.json", hint=error.hint), name))
        else:
            runs.append(run)
            reports.append(RunReport(name, tuple(CHECKS), tuple(find_faults(CHECKS, run))))
            run.release()
    reports.sort(key=lambda report: report.name)
    together = RunReport(_WHOLE, tuple(TOGETHER), tuple(find_faults(TOGETHER, runs)))
    return SubmissionReport(tuple(reports), together)


def list_records(root: Path) -> tuple[list[Path], list[ClnormError]]:
    """The records below a folder, by their place, and what cannot be looked into.

    Raises:
        UserError: there is no such folder, or no run in it.
    """
    hint = "give a folder that holds runs"
    if not root.is_dir():
        raise UserError("there is no such folder", where=str(root), hint=hint)
    problems = list[ClnormError]()
    files = find_records(root, problems.append)
    if not files and not problems:
        raise UserError("holds no run", where=str(root), hint=hint)
    return files, problems


def _refuse_link(folder: Path, root: Path) -> None:
    """Refuse a run that a link leads to.

    Raises:
        ClnormError: one does.
    """
    if folder.resolve() != root.resolve() / folder.relative_to(root):
        raise ClnormError("lies behind a link", hint="put the run's folder itself there")


def open_run(file: Path) -> SubmittedRun:
    """A finished run, whose record can be read.

    Raises:
        ClnormError: it is none.
    """
    if file.is_symlink() or not file.is_file() or file.stat().st_size > MOST_BYTES:
        raise ClnormError("is no regular file, or too large for a record", hint=AS_WRITTEN)
    record = read_record(file)
    if record.status != "finished":
        raise ClnormError("is of a run that is not finished", hint="finish it, or leave it out")
    return SubmittedRun(file.parent, record)


def find_faults(checks: Mapping[str, Check[Subject]], subject: Subject) -> Iterator[Finding]:
    """What checks find in a run, or in several together; what a check cannot read is a fault, too."""
    for name, check in checks.items():
        try:
            for error in check(subject):
                yield Finding(name, error)
        except ClnormError as error:
            yield Finding(name, error)
        except _FAULTS as error:
            what = f"holds something that no run writes ({type(error).__name__}: {error})"
            yield Finding(name, ClnormError(what, hint=AS_WRITTEN))


def _refuse(error: ClnormError, name: str | None = None) -> RunReport:
    """Of a folder whose record cannot be read, so that nothing else was checked."""
    return RunReport(name or str(error.where), ("record",), (Finding("record", error),))
