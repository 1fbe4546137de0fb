"""`make_table`: the table of a long frame of results, in any format."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from rich.console import Console

from clnorm.catalogue.reference import to_bibliography
from clnorm.errors import UserError
from clnorm.results.published import Published
from clnorm.results.selection import select
from clnorm.tables.formats import to_csv, to_markdown, to_rich
from clnorm.tables.grid import AXES, create_grid
from clnorm.tables.html import to_html
from clnorm.tables.latex import tell_illegible, to_document, to_latex
from clnorm.tables.names import cite_metrics, name_all
from clnorm.tables.reported import place_reported

__all__ = ["FORMATS", "make_bibliography", "make_table", "select"]

METRICS_SHOWN = ("accuracy", "forgetting")
_WRITERS = {
    "markdown": to_markdown,
    "latex": to_latex,
    "document": to_document,
    "html": to_html,
    "csv": to_csv,
}
FORMATS = ("rich", *_WRITERS)


def make_table(
    df: pd.DataFrame,
    *,
    metrics: Sequence[str] = METRICS_SHOWN,
    axes: tuple[str, str] = AXES,
    format: str = "rich",  # noqa: A002 - the word that users know
    versus: str | None = None,
    effect: bool = False,
    names: Mapping[str, str] | None = None,
    cite: bool = False,
    published: Sequence[Published] = (),
    console: Console | None = None,
    note: Callable[[str], None] | None = None,
) -> str:
    """A table with norms as rows, strategies as column groups, and the metrics within each group, or with other axes.

    A norm whose runs were evaluated as transductive or by an oracle has that behind its name, and the caption says what
    it means. A cell is the mean over seeds ± the half width of its 95 % Student-t interval, in per cent. It is `--`
    unless every seed that any run of the table has is finished there and has a value.

    In Markdown and LaTeX, norms, strategies, dataset and backbone have their names in papers; elsewhere those of the
    configuration. The caption states the experiment as chosen, as far as `df` has it: `clnorm.load_results` has all.

    Args:
        df: one row for each run and metric, with the columns run, setting (what all but norm, strategy and seed come
            to), dataset, protocol, backbone, norm, strategy, label ("" or one of `clnorm.results.record.NOTES`), seed,
            status ("finished" or other), metric and value.
        axes: what rows and columns are, of norm, strategy, dataset, protocol and backbone. The runs share all others of
            these, and whatever else does not go with the axes.
        metrics: keys of `clnorm.metrics.METRICS`, or names of plug-ins, such as `package.module:Name`.
        format: rich (for a terminal), markdown, latex (a float to read in, with booktabs and graphicx), document (the
            same, which compiles by itself), html (a page) or csv (shares at full precision).
        versus: a row to compare the others with: adds columns of differences over pairs that share a seed, with
            their interval and a mark where the Holm-corrected paired t-test gives p < 0.05.
        effect: with `versus`, adds the effect size of each difference, `clnorm.evaluation.ranks.effect_size`.
        names: what to call a norm, a strategy, the dataset, the protocol or the backbone, by its name in the runs, in
            every format: `{"cn": "Continual Norm"}`.
        cite: for latex, whether names and metrics are followed by `\\cite`, for what `make_bibliography` has.
        published: numbers that papers report, of `clnorm.read_published`: those that fit are rows below the measured
            ones, marked as reported, where rows are strategies and columns protocols.
        console: for rich, where the table will be shown; plain text without a terminal.
        note: told in one line where a table of a paper shrinks to a type that is too small to read.

    Returns:
        The text, ending in a newline.

    Raises:
        UserError: no run, runs of several settings, two runs for one place, an unknown metric, axis, format, row or
            name, two rows that would be called alike, citations in another format than latex, or an effect size
            without `versus` or of fewer than three seeds.
    """
    if format not in FORMATS:
        raise UserError(f"unknown format {format!r}", where="table", legal=FORMATS, given=format)
    if cite and format != "latex":
        raise UserError(f"citations are for latex, not for {format}", where="table", hint="write --format latex")
    grid = create_grid(df, metrics=metrics, axes=axes, versus=versus, effect=effect, names=names, cite=cite)
    if published:
        grid = place_reported(grid, published)
    if note is not None and format in ("latex", "document") and (told := tell_illegible(grid)):
        note(told)
    if format == "rich":
        return to_rich(grid, console)
    return _WRITERS[format](grid)


def make_bibliography(
    df: pd.DataFrame, *, metrics: Sequence[str] = METRICS_SHOWN, effect: bool = False, earlier: str = ""
) -> str:
    """A .bib file with the papers of the norms, strategies, dataset, protocol, backbone and metrics of a table.

    What clnorm knows no paper of, such as a plug-in, has no entry.

    Args:
        df: as for `make_table`.
        metrics: those of the table.
        effect: whether the table has effect sizes.
        earlier: such a file of other tables, whose entries stay.

    Raises:
        UserError: an unknown metric.
    """
    _, _, cited = name_all(df, {})
    cited |= cite_metrics(metrics, effect=effect)
    return to_bibliography((paper for papers in cited.values() for paper in papers), earlier=earlier)
