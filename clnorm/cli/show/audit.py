"""The verdicts as a table on stdout."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clnorm.audit.verdicts import AuditReport, Mark

_STYLES = {Mark.OK: "green", Mark.NOTE: "cyan", Mark.WARNING: "bold red", Mark.UNKNOWN: "yellow"}


def print_audit(report: AuditReport) -> None:
    """One row for each section, then a line of counts."""
    console = Console()
    if not console.is_terminal:
        console.width = max(120, console.width)
    table = Table()
    table.add_column("section", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("verdict, and its rule", overflow="fold", ratio=1)
    for section in report.sections:
        verdict = section.verdict
        # As Text, since in a str [brackets] would be markup.
        told = Text(verdict.text).append(f"\n{verdict.rule}", style="dim")
        table.add_row(Text(section.title), Text(verdict.mark, style=_STYLES[verdict.mark]), told)
    console.print(table)
    console.print(Text(report.summary()), soft_wrap=True)
