"""The report on a submission, in words."""

from collections.abc import Iterator

from clnorm.submission.findings import RunReport, State, SubmissionReport

_WORDS = {State.HOLDS: "hold", State.NOT_CHECKED: "hold as far as could be checked", State.WRONG: "wrong"}


def write_report(report: SubmissionReport) -> str:
    """A line for each run, below it what is wrong or was not checked, and what was checked in the end."""
    lines = [line for part in report.parts for line in _lines_of(part)]
    checks = list(dict.fromkeys(check for part in report.parts for check in part.checks))
    states = [run.state for run in report.runs]
    counts = ", ".join(f"{states.count(state)} {word}" for state, word in _WORDS.items() if state in states)
    return "\n".join(
        [*lines, f"checked: {', '.join(checks)}", f"{len(states)} run{'s' * (len(states) != 1)}: {counts}"]
    )


def _lines_of(report: RunReport) -> Iterator[str]:
    yield f"{report.name}: {report.state}"
    for finding in report.findings:
        yield f"  {finding.check}: {finding.state}: {finding.error}"
