"""A report as one HTML file: its data as JSON, and one script that shows it; nothing comes from elsewhere."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from clnorm import __version__
from clnorm.pages.page import allow_inline, check_page, create_environment, read_part, write_page
from clnorm.report.collect import Collection, collect
from clnorm.report.compact import write_data
from clnorm.report.figures import Drawing, draw_all
from clnorm.report.settings import Setting, list_settings

_SCRIPT = ("dom", "data", "address", "means", "runs", "matrix", "curve", "details", "run", "compare", "main")
"""The files of the script, in the order in which they are joined."""


@dataclass(frozen=True)
class Report:
    """A page and what it is of.

    Args:
        collection: the runs.
        settings: with their means.
        drawings: of each setting, in their order.
    """

    collection: Collection
    settings: Sequence[Setting]
    drawings: Sequence[Sequence[Drawing]]


def create_report(folder: str | Path, *, where: Sequence[str] = ()) -> Report:
    """Read all runs below a folder, average them and draw their figures.

    Raises:
        UserError, ClnormError: as `clnorm.report.collect.collect`.
    """
    with _pause_collector():
        collection = collect(folder, where=where)
        settings = list_settings(collection.results)
    drawings = []
    for setting in settings:
        with _pause_collector():
            runs = [run for run in collection.runs if run.record.setting == setting.id]
            drawings.append(draw_all(setting, runs))
    return Report(collection, settings, drawings)


@contextmanager
def _pause_collector() -> Iterator[None]:
    """Within it no circles of objects are looked for: there are few, and to look through all runs for them takes long.

    After it they are, so that figures of one setting go before those of the next but one come.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def render_report(report: Report) -> str:
    """The whole page."""
    style = read_part("clnorm.pages", "style.css") + read_part("clnorm.report", "report.css")
    script = "".join(read_part("clnorm.report", f"script/{name}.js") for name in _SCRIPT)
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    runs = report.collection.runs
    return (
        create_environment("clnorm.report")
        .get_template("report.html")
        .render(
            collection=report.collection,
            sections=list(zip(report.settings, report.drawings, strict=True)),
            finished=sum(run.finished for run in runs),
            unfinished=[run for run in runs if not run.finished],
            policy=allow_inline(style, script),
            style=_trust(style),
            script=_trust(script),
            data=_trust(write_data(report.collection, report.settings)),
            version=__version__,
        )
    )


def write_report(folder: str | Path, path: Path, *, where: Sequence[str] = ()) -> Report:
    """Write the page of the runs below a folder to `path`, whole or not at all.

    Raises:
        UserError: there is no finished run, a condition is wrong, or `path` is no place for a page.
        ClnormError: no run can be read, or the page cannot be written.
    """
    check_page(path)
    report = create_report(folder, where=where)
    write_page(render_report(report), path)
    return report


def _trust(text: str) -> Markup:
    """Text that is to stand in the page as it is: the package's own, or JSON that holds no `<`."""
    return Markup(text)  # noqa: S704
