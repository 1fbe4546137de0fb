"""A dataset's survey in the terminal."""

from rich.table import Table

from clnorm.cli.output import rich_stdout
from clnorm.console import as_text
from clnorm.data.check.survey import Survey

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
        console.print(as_text(_conclude(survey)))


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


def _conclude(survey: Survey) -> str:
    """What was looked at, and whether all of it is in order: what nobody looked at is not said to be."""
    if survey.problems and not survey.files:
        return "no clip was looked at"
    if survey.decoded is not None:
        looked = f"names, sizes and all frames of {survey.decoded:,} clips"
    elif survey.opened is not None:
        looked = f"names, sizes and headers of {survey.opened:,} clips; not decoded (--decode reads every frame)"
    else:
        looked = "names and sizes; no clip was opened or decoded"
    return f"{'looked at' if survey.problems else 'nothing is wrong in'}: {looked}"


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
