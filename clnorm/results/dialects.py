"""How one format writes names, numbers, headings and the caption."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from clnorm.evaluation.metrics import Metric
from clnorm.evaluation.stats import FEWEST, LEVEL
from clnorm.results.grid import SIGNIFICANT, Cell, Grid, rounded
from clnorm.results.record import NOTES

MISSING = "--"

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "_&%#${}"},
}


def escape_latex(text: str) -> str:
    """`text` as LaTeX prints it literally, outside math mode."""
    return "".join(_LATEX.get(character, character) for character in text)


def escape_markdown(text: str) -> str:
    """`text` as GitHub's Markdown prints it literally, in a table cell too."""
    return re.sub(r"([\\`*_\[\]<>|~$#])", r"\\\1", text)


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


PLAIN = Dialect(
    escape=_same,
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
    definition=lambda metric: f"{escape_markdown(metric.title)} = `{metric.formula}`",
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
)
LATEX = Dialect(
    escape=escape_latex,
    heading=lambda metric: f"${metric.symbol}$",
    definition=lambda metric: f"${metric.symbol} = {metric.formula_latex}$",
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
)


def write_mean(cell: Cell, dialect: Dialect) -> str:
    """The mean over seeds with its half width, in per cent; `--` where the cell is incomplete."""
    if cell.interval is None:
        return MISSING
    style = {"best": dialect.best, "second": dialect.second, "": _same}[cell.mark]
    mean = style(_percent(cell.interval.mean))
    return dialect.number(mean + _half_width(cell.interval.half_width, dialect))


def write_difference(cell: Cell, dialect: Dialect) -> str:
    """The paired difference with its half width, in per cent; `--` where there is none."""
    found = cell.difference
    if found is None:
        return MISSING
    star = dialect.star if cell.p_holm < SIGNIFICANT and found.n >= FEWEST else ""
    return dialect.number(_percent(found.mean, sign="+") + _half_width(found.half_width, dialect) + star)


def write_heading(metric: Metric, dialect: Dialect) -> str:
    """The head of a metric's column, with the direction that is better."""
    return f"{dialect.heading(metric)} {dialect.up if metric.higher_is_better else dialect.down}"


def write_versus(versus: str, dialect: Dialect) -> str:
    """The head of a column of differences."""
    return f"{dialect.delta} {dialect.escape(versus)}"


def write_caption(grid: Grid, dialect: Dialect) -> str:
    """What the table shows: data, model, protocol, seeds, interval, and each metric's definition and source."""
    level = f"{LEVEL * 100:g}{dialect.percent}"
    named = ", ".join(f"{column} {dialect.escape(value)}" for column, value in grid.setting.items())
    sentences = [
        f"{named[0].upper()}{named[1:]}",
        _explain_values(grid, dialect, level=level),
        f"{MISSING}: undefined, or without a finished run for every seed" if _has_gap(grid) else "",
        *(f"{label}: {dialect.escape(NOTES[label])}" for label in grid.labels),
        _explain_versus(grid, dialect, level=level),
        f"{dialect.R} is the accuracy on experience j after experience t, T the last",
        *(f"{dialect.definition(metric)} ({dialect.escape(metric.source)})" for metric in grid.metrics),
    ]
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def _explain_values(grid: Grid, dialect: Dialect, *, level: str) -> str:
    """What a number is, and what is marked; with too few seeds, that nothing is."""
    n = len(grid.seeds)
    if n == 1:
        return "Values are in per cent, from a single seed (n = 1), so without an interval and without a mark"
    values = f"Values are in per cent: mean and half width of the {level} Student-t interval over seeds (n = {n})"
    if n < FEWEST:
        return f"{values}, which are too few to test: no mean is marked as best"
    if not dialect.legend:
        return values
    return f"{values}; {dialect.legend} within a strategy{explain_marks(grid, dialect)}"


def explain_marks(grid: Grid, dialect: Dialect) -> str:
    """When a mean is marked, behind the words for its mark; nothing where there is nothing to compare."""
    if len(grid.norms) < 2:
        return ""
    return f", where it differs from each worse one: {_significant(dialect)}"


def _significant(dialect: Dialect) -> str:
    return f"p {dialect.escape('<')} {SIGNIFICANT} in the paired t-test, Holm-corrected"


def _explain_versus(grid: Grid, dialect: Dialect, *, level: str) -> str:
    if grid.versus is None:
        return ""
    difference = f"{write_versus(grid.versus, dialect)}: mean difference to {dialect.escape(grid.versus)} over pairs"
    said = [f"{difference} that share a seed, with its {level} Student-t interval"]
    if len(grid.seeds) < FEWEST:
        return "; ".join([*said, "with so few seeds none is tested"])
    said.append(f"{dialect.number(dialect.star)}: {_significant(dialect)} over the norms of a column")
    if any(cell.difference is not None and math.isnan(cell.difference.p) for cell in grid.cells.values()):
        said.append("a difference that is the same in every pair cannot be tested, and has no star")
    return "; ".join(said)


def _has_gap(grid: Grid) -> bool:
    return not all(cell.complete for cell in grid.cells.values())


def _percent(share: float, *, sign: str = "") -> str:
    """A share in per cent with one decimal; a half is rounded away from zero, as by hand: 0.6655 is 66.6."""
    percent = Decimal(repr(rounded(share))).scaleb(2).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return f"{percent + 0:{sign}.1f}"  # adding 0 makes of -0.0 a plain zero


def _half_width(share: float, dialect: Dialect) -> str:
    return "" if math.isnan(share) else f"{dialect.pm}{_percent(share)}"
