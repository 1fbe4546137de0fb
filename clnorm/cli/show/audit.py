"""The verdicts as a table on stdout."""

from rich.table import Table

from clnorm.audit.verdicts import AuditReport, Mark
from clnorm.cli.output import rich_stdout
from clnorm.console import as_text

_STYLES = {Mark.OK: "green", Mark.NOTE: "cyan", Mark.WARNING: "bold red", Mark.UNKNOWN: "yellow"}


def print_audit(report: AuditReport) -> None:
    """One row for each section, then a line of counts."""
    table = Table()
    table.add_column("section", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("verdict, and its rule", overflow="fold", ratio=1)
    for section in report.sections:
        verdict = section.verdict
        told = as_text(verdict.text).append("\n").append_text(as_text(verdict.rule, style="dim"))
        table.add_row(as_text(section.title), as_text(verdict.mark, style=_STYLES[verdict.mark]), told)
    with rich_stdout(width=120) as console:
        console.print(table)
        console.print(as_text(report.summary()), soft_wrap=True)
