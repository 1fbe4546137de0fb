"""How one format writes names, numbers, headings and the caption."""

import html
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clnorm.catalogue.reference import Reference
from clnorm.console import visible
from clnorm.evaluation.metrics import Metric
from clnorm.evaluation.stats import FEWEST
from clnorm.results.percent import percent
from clnorm.results.published import Published
from clnorm.tables.cell import SIGNIFICANT, Cell
from clnorm.tables.grid import Grid

MISSING = "--"
BREAK = r"\allowbreak{}"
"""Where LaTeX may break a line that it would not otherwise."""

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # at the start of a row, `\\` of the row before would take it for its own option
    "*": "{*}",
    **{character: f"\\{character}" for character in "_&%#${}"},
}


def escape_latex(text: str) -> str:
    """`text` as LaTeX prints it literally, outside math mode; a line may break before the option of a name."""
    literal = "".join(_LATEX.get(character, character) for character in visible(text))
    return re.sub(r",(?=[\w\\]+=)", lambda _: f",{BREAK}", literal)


def escape_markdown(text: str) -> str:
    """`text` as GitHub's Markdown prints it literally, in a table cell too."""
    return re.sub(r"([\\`*_\[\]<>|~$#])", r"\\\1", visible(text))


def _markdown_code(text: str) -> str:
    """A formula as code; escaped where it has the mark of code itself."""
    return escape_markdown(text) if "`" in text else f"`{text}`"


def _escape_html(text: str) -> str:
    """`text` as a page shows it, in an attribute too."""
    return html.escape(visible(text))


def _latex_symbol(metric: Metric) -> str:
    return metric.symbol or _latex_text(metric.title)


def _latex_text(text: str) -> str:
    """Plain text within math mode."""
    return rf"\textrm{{{escape_latex(text)}}}"


def _same(text: str) -> str:
    return text


@dataclass(frozen=True)
class Dialect:
    """One format's way of writing.

    Args:
        escape: a name or sentence, literally.
        heading: a metric's name at the head of a column.
        definition: a metric's name and formula, in the caption.
        number: a signed or unsigned number, with what follows it.
        best: the best mean of a column.
        second: the second mean of a column.
        up: the mark of a metric where higher is better.
        down: the mark of a metric where lower is better.
        pm: plus or minus, with its spaces.
        delta: the difference sign in headings.
        star: the mark of a significant difference.
        legend: what best and second look like, or nothing where they are not to be seen.
        R: the accuracy matrix in the caption.
        percent: "per cent" after a number, as a sign.
        for_papers: whether names are those of papers, not those that commands take.
        cite: the command that cites papers, behind a name; nothing where a format has none.
    """

    escape: Callable[[str], str]
    heading: Callable[[Metric], str]
    definition: Callable[[Metric], str]
    number: Callable[[str], str]
    best: Callable[[str], str]
    second: Callable[[str], str]
    up: str
    down: str
    pm: str
    delta: str
    star: str
    legend: str
    R: str
    percent: str
    for_papers: bool = False
    cite: Callable[[Sequence[Reference]], str] = lambda papers: ""


PLAIN = Dialect(
    escape=visible,
    heading=lambda metric: metric.title,
    definition=lambda metric: f"{metric.title} = {metric.formula}",
    number=_same,
    best=_same,
    second=_same,
    up="↑",
    down="↓",
    pm=" ± ",
    delta="Δ",
    star="*",
    legend="",
    R="R[t,j]",
    percent="%",
)
MARKDOWN = Dialect(
    escape=escape_markdown,
    heading=lambda metric: escape_markdown(metric.title),
    definition=lambda metric: f"{escape_markdown(metric.title)} = {_markdown_code(metric.formula)}",
    number=_same,
    best=lambda text: f"**{text}**",
    second=lambda text: f"<u>{text}</u>",
    up="↑",
    down="↓",
    pm=" ± ",
    delta="Δ",
    star=r"\*",
    legend="bold best, underlined second",
    R="`R[t,j]`",
    percent="%",
    for_papers=True,
)
LATEX = Dialect(
    escape=escape_latex,
    heading=lambda metric: f"${_latex_symbol(metric)}$",
    definition=lambda metric: f"${_latex_symbol(metric)} = {metric.formula_latex or _latex_text(metric.formula)}$",
    number=lambda text: f"${text}$",
    best=lambda text: rf"\mathbf{{{text}}}",
    second=lambda text: rf"\underline{{{text}}}",
    up=r"$\uparrow$",
    down=r"$\downarrow$",
    pm=r" \pm ",
    delta=r"$\Delta$",
    star="^{*}",
    legend="bold best, underlined second",
    R="$R_{t,j}$",
    percent=r"\,\%",
    for_papers=True,
    cite=lambda papers: rf"~\cite{{{','.join(paper.key for paper in papers)}}}" if papers else "",
)


HTML = Dialect(
    escape=_escape_html,
    heading=lambda metric: _escape_html(metric.title),
    definition=lambda metric: f"{_escape_html(metric.title)} = <code>{_escape_html(metric.formula)}</code>",
    number=_same,
    best=lambda text: f"<strong>{text}</strong>",
    second=lambda text: f"<u>{text}</u>",
    up="↑",
    down="↓",
    pm=" ± ",
    delta="Δ",
    star="*",
    legend="bold best, underlined second",
    R="<code>R[t,j]</code>",
    percent="%",
    for_papers=True,
)


def write_mean(cell: Cell, dialect: Dialect) -> str:
    """The mean over seeds with its half width, in per cent; `--` where the cell is incomplete."""
    if cell.interval is None:
        return MISSING
    style = {"best": dialect.best, "second": dialect.second, "": _same}[cell.mark]
    mean = style(percent(cell.interval.mean))
    return dialect.number(mean + _half_width(cell.interval.half_width, dialect))


def write_difference(cell: Cell, dialect: Dialect) -> str:
    """The paired difference with its half width, in per cent; `--` where there is none."""
    found = cell.difference
    if found is None:
        return MISSING
    star = dialect.star if cell.p_holm < SIGNIFICANT and found.n >= FEWEST else ""
    return dialect.number(percent(found.mean, sign="+") + _half_width(found.half_width, dialect) + star)


def write_effect(cell: Cell, dialect: Dialect) -> str:
    """The effect size of the paired difference; `--` where there is none."""
    if cell.effect is None or math.isnan(cell.effect):
        return MISSING
    return dialect.number(f"{round(cell.effect, 2) + 0.0:+.2f}")  # no -0.00


def write_reported(found: Published | None, dialect: Dialect) -> str:
    """A number that a paper reports, in per cent; `--` where it reports none."""
    return MISSING if found is None else dialect.number(percent(found.value))


def write_heading(metric: Metric, dialect: Dialect) -> str:
    """The head of a metric's column, with the direction that is better."""
    return f"{dialect.heading(metric)} {dialect.up if metric.higher_is_better else dialect.down}"


def write_name(grid: Grid, kind: str, name: str, dialect: Dialect, *, cited: bool = False) -> str:
    """What a row, a column group or a part of the setting is called, with its citation where the table has some.

    Args:
        grid: the table.
        kind: `norm`, `strategy`, `dataset`, `protocol` or `backbone`.
        name: the one of that kind.
        dialect: of the format; papers' names stand in those for readers of papers.
        cited: whether its papers are named here.
    """
    title = grid.titles.get((kind, name), name) if dialect.for_papers else grid.names.get((kind, name), name)
    return dialect.escape(title) + (dialect.cite(grid.cited.get((kind, name), ())) if cited else "")


def write_versus(grid: Grid, dialect: Dialect) -> str:
    """The head of a column of differences."""
    return f"{dialect.delta} {write_name(grid, grid.axes[0], grid.versus or '', dialect)}"


def write_compared(grid: Grid, row: str, cell: Cell, dialect: Dialect) -> list[str]:
    """What stands behind a cell's mean where the table compares: nothing in the row compared with."""
    if row == grid.versus:
        return [""] * len(list_compared(grid, dialect))
    if grid.versus is None:
        return []
    return [write_difference(cell, dialect), *([write_effect(cell, dialect)] if grid.effect else [])]


def list_compared(grid: Grid, dialect: Dialect) -> list[str]:
    """The heads of the columns behind each metric where the table compares."""
    if grid.versus is None:
        return []
    return [write_versus(grid, dialect), *([dialect.number("g")] if grid.effect else [])]


def _half_width(share: float, dialect: Dialect) -> str:
    return "" if math.isnan(share) else f"{dialect.pm}{percent(share)}"
