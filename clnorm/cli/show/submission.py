"""The report on a submission, in words."""

from collections.abc import Iterator, Sequence

from clnorm.submission.findings import RunReport, State

_WORDS = {State.HOLDS: "hold", State.NOT_CHECKED: "hold as far as could be checked", State.WRONG: "wrong"}


def write_report(reports: Sequence[RunReport]) -> str:
    """A line for each run, below it what is wrong or was not checked, and what was checked in the end."""
    lines = [line for report in reports for line in _lines_of(report)]
    checks = list(dict.fromkeys(check for report in reports for check in report.checks))
    states = [report.state for report in reports[:-1]]  # the last one is of all runs together
    counts = ", ".join(f"{states.count(state)} {word}" for state, word in _WORDS.items() if state in states)
    return "\n".join(
        [*lines, f"checked: {', '.join(checks)}", f"{len(states)} run{'s' * (len(states) != 1)}: {counts}"]
    )


def _lines_of(report: RunReport) -> Iterator[str]:
    yield f"{report.name}: {report.state}"
    for finding in report.findings:
        yield f"  {finding.check}: {finding.state}: {finding.error}"
