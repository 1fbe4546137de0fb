"""A conformance report as a table on stdout."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clnorm.conformance.report import ConformanceReport, Status

_STYLES = {Status.PASSED: "green", Status.FAILED: "bold red", Status.NOT_APPLICABLE: "dim", Status.MEASURED: "cyan"}


def print_report(report: ConformanceReport) -> None:
    """One row for each check, then a line of counts."""
    console = Console()
    table = Table()
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("rule, and what came of it", overflow="fold")
    for finding in report.findings:
        told = Text(finding.rule, style="dim")
        if finding.detail:
            told.append(f"\n{finding.detail}", style=_STYLES[finding.status])
        # As Text, since in a str [brackets] would be markup.
        table.add_row(Text(finding.check), Text(finding.status, style=_STYLES[finding.status]), told)
    console.print(table)
    console.print(Text(report.summary()), soft_wrap=True)
