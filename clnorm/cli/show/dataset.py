"""A dataset's survey in the terminal."""

from rich.table import Table

from clnorm.cli.output import rich_stdout
from clnorm.console import as_text
from clnorm.data.check import Survey

_COLUMNS = ("clips", "groups", "train", "test", "unused")


def print_survey(survey: Survey) -> None:
    """The classes with their counts, the splits beside the published figures, then notes and problems."""
    with rich_stdout(soft_wrap=True) as console:
        if survey.classes:
            console.print(_class_table(survey))
        if survey.splits:
            console.print(_split_table(survey))
        for note in survey.notes:
            console.print(as_text(f"note: {note}"))
        for problem in survey.problems:
            console.print(as_text(f"wrong: {problem}"))
        if not survey.problems:
            console.print("nothing is wrong")


def _class_table(survey: Survey) -> Table:
    table = Table(title=as_text(f"{survey.dataset} in {survey.root}" if survey.root else survey.dataset))
    table.add_column("class", overflow="fold")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for row in survey.classes:
        table.add_row(as_text(row.name), *(f"{getattr(row, column):,}" for column in _COLUMNS))
    table.add_section()
    totals = [survey.sources if column == "groups" else survey.total(column) for column in _COLUMNS]
    table.add_row(f"{len(survey.classes)} classes", *(f"{total:,}" for total in totals))
    return table


def _split_table(survey: Survey) -> Table:
    published = survey.published
    table = Table(title=f"listed (published: {published['clips']:,} clips, {published['classes']} classes)")
    table.add_column("split")
    uses = list(next(iter(survey.splits.values())))
    for use in uses:
        table.add_column(use, justify="right")
        table.add_column("published", justify="right")
    for split, counts in survey.splits.items():
        cells = [f"{number:,}" for use in uses for number in (counts[use], published["splits"][split][use])]
        table.add_row(str(split), *cells)
    return table
