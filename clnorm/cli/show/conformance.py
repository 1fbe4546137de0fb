"""A conformance report as a table on stdout."""

from rich.table import Table

from clnorm.cli.output import rich_stdout
from clnorm.conformance.report import ConformanceReport, Status
from clnorm.console import as_text

_STYLES = {Status.PASSED: "green", Status.FAILED: "bold red", Status.NOT_APPLICABLE: "dim", Status.MEASURED: "cyan"}


def print_report(report: ConformanceReport) -> None:
    """One row for each check, then a line of counts."""
    table = Table()
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("rule, and what came of it", overflow="fold")
    for finding in report.findings:
        told = as_text(finding.rule, style="dim")
        if finding.detail:
            told.append("\n").append_text(as_text(finding.detail, style=_STYLES[finding.status]))
        table.add_row(as_text(finding.check), as_text(finding.status, style=_STYLES[finding.status]), told)
    with rich_stdout() as console:
        console.print(table)
        console.print(as_text(report.summary()), soft_wrap=True)
