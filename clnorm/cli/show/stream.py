"""What `clnorm protocol show` prints."""

from rich.box import SIMPLE
from rich.table import Table

from clnorm.cli.output import rich_stdout
from clnorm.console import as_text
from clnorm.streams.view import ExperienceView, StreamView


def print_stream(view: StreamView) -> None:
    """A table of the experiences on stdout, then what is special."""
    counted = view.experiences[0].train_clips is not None
    title = f"{view.protocol} on {view.dataset}, seed {view.seed}"
    table = Table(title=as_text(title), title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("experience", "classes", *(["train clips", "test clips"] if counted else [])):
        table.add_column(heading, justify="right")
    table.add_column("names", overflow="fold")
    for index, part in enumerate(view.experiences):
        counts = [f"{part.train_clips:,}", f"{part.test_clips:,}"] if counted else []
        table.add_row(str(index + 1), str(len(part.classes)), *counts, as_text(_names(part)))
    with rich_stdout(width=120) as console:
        console.print(table)
        for line in _remarks(view):
            console.print(as_text(line), soft_wrap=True)


def _names(part: ExperienceView) -> str:
    names = ", ".join(part.classes)
    if part.other_classes:
        names += f"; and training clips of {part.other_classes} other classes"
    if part.look:
        names += f"; {', '.join(f'{name} {value:.3g}' for name, value in part.look.items())}"
    return names


def _remarks(view: StreamView) -> list[str]:
    remarks = [f"{said[:1].upper()}{said[1:]}." for said in view.said]
    if view.similarity is not None:
        by = "their names" if view.by == "names" else view.by
        remarks.append(f"Mean similarity of the classes of successive experiences, by {by}: {view.similarity:.3f}.")
    return remarks
