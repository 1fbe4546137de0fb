"""The grid as a table of a paper: a float to read in, or a document that compiles by itself."""

import re
from collections.abc import Sequence
from dataclasses import replace

from clnorm.tables.captions import write_caption, write_definitions
from clnorm.tables.cells import list_groups, list_headings, list_rows
from clnorm.tables.dialects import BREAK, LATEX
from clnorm.tables.grid import Grid
from clnorm.tables.origin import list_origin

_COLUMN, _PAGE = 237.0, 345.0  # points: a column of two in conferences' styles, and the line of LaTeX's article
_WIDEST = 1.5 * _PAGE
_LEGIBLE = 0.5  # of its type size, below which a shrunk table is not read
_SKIP = r"\ifdim\belowcaptionskip<4pt \setlength{\belowcaptionskip}{6pt}\fi"  # a class may have one of its own

_DOCUMENT = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{booktabs,graphicx}
\begin{document}
%s\end{document}
"""


def to_document(grid: Grid) -> str:
    """The same as a document that compiles by itself, for pdflatex."""
    return _DOCUMENT % to_latex(grid)


def to_latex(grid: Grid) -> str:
    """A floating table for a paper, to be read in; it needs the package booktabs, and graphicx where it is wide.

    The comment above it names the runs that it is made of.

    A table wider than a column of two spans both; one wider than a page of one column shrinks to the line; where it
    would shrink to less than two thirds, each metric has a table of its own.
    """
    origin = "".join(f"% {line}\n" for line in list_origin(grid))
    first, *others = _split(grid)
    if others:
        told = rf"The runs of Table~\ref{{{_label(first)}}}, with the same marks."
        captions = [write_caption(first, LATEX), *(f"{told} {write_definitions(part, LATEX)}" for part in others)]
        tables = zip((first, *others), captions, strict=True)
        return origin + "\n".join(_latex_table(part, caption, label=_label(part)) for part, caption in tables)
    return origin + _latex_table(grid, write_caption(grid, LATEX), label=_label(grid, metric=False))


def tell_illegible(grid: Grid) -> str:
    """That the table shrinks below what is legible, with the way out; nothing where it does not."""
    widest = max(map(_table_width, _split(grid)))
    if widest * _LEGIBLE <= _PAGE:
        return ""
    narrow = "choose fewer columns with --where"
    if len(grid.rows) < len(grid.columns):
        narrow = f"turn it with --rows {grid.axes[1]} --cols {grid.axes[0]}, or {narrow}"
    share = f"about {100 * _PAGE / widest:.0f} % of its type size"
    return f"with {len(grid.columns)} column groups the table shrinks to {share}, which is too small to read; {narrow}"


def _split(grid: Grid) -> list[Grid]:
    """A table for each metric where all of them would be too wide for one, otherwise the one."""
    if _table_width(grid) <= _WIDEST:
        return [grid]
    return [replace(grid, metrics=(metric,)) for metric in grid.metrics]


def _label(grid: Grid, *, metric: bool = True) -> str:
    """What a table is referred to by: what all of it share, and the metric where it has a table of its own."""
    named = [*grid.fixed.values(), *([grid.metrics[0].key] if metric else [])]
    return "tab:" + re.sub(r"[^a-z0-9]+", "-", "-".join(named).lower()).strip("-")


def _list_lines(grid: Grid) -> list[list[str]]:
    """The cells of the tabular but for the groups, a row each, headings first."""
    return [[grid.axes[0], *list_headings(grid, LATEX) * len(grid.columns)], *list_rows(grid, LATEX, cited=True)]


def _table_width(grid: Grid) -> float:
    """The estimated width in points, with what a group's name is wider than its columns."""
    cells = _list_lines(grid)
    width = (len(cells[0]) - 1) // len(grid.columns)
    groups = [[row[1 + width * index : 1 + width * (index + 1)] for row in cells] for index in range(len(grid.columns))]
    names = ([[name]] for name in list_groups(grid, LATEX, cited=True))
    first = estimate_width([row[:1] for row in cells])
    return first + sum(max(map(estimate_width, pair)) for pair in zip(groups, names, strict=True))


def _latex_table(grid: Grid, caption: str, *, label: str) -> str:
    cells = _list_lines(grid)
    width = len(list_headings(grid, LATEX))
    count = len(grid.columns)
    groups = [rf"\multicolumn{{{width}}}{{c}}{{{name}}}" for name in list_groups(grid, LATEX, cited=True)]
    rules = [rf"\cmidrule(lr){{{2 + width * index}-{1 + width * (index + 1)}}}" for index in range(count)]
    rows = [
        " & ".join(["", *groups]).strip() + r" \\",
        " ".join(rules),
        " & ".join(cells[0]) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in cells[1:]),
    ]
    points = _table_width(grid)
    table = "table*" if points > _COLUMN else "table"
    fit = points > _PAGE
    lines = [
        rf"% needs \usepackage{{booktabs{',graphicx' if fit else ''}}}; estimated width {points:.0f} pt",
        rf"\begin{{{table}}}",
        rf"\centering\small\setlength{{\tabcolsep}}{{4pt}}{_SKIP}",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        *([r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"] if fit else []),
        rf"\begin{{tabular}}{{l{'r' * width * count}}}",
        r"\toprule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}" + ("}" if fit else ""),
        rf"\end{{{table}}}",
    ]
    return "\n".join(lines) + "\n"


def estimate_width(cells: Sequence[Sequence[str]]) -> float:
    """About the width of a tabular in points: Computer Modern at 9 pt, with 4 pt on both sides of a cell."""
    columns = zip(*cells, strict=True)
    return sum(max(map(_print_width, column)) + 8.0 for column in columns)


def _print_width(cell: str) -> float:
    """A cell's width in points: of digits and letters half an em, of relations and arrows with their spaces more."""
    wide = len(re.findall(r"\\(?:pm|uparrow|downarrow|Delta)\b", cell)) + cell.count("+")
    cell = cell.replace(BREAK, "")
    text = re.sub(r"\\text\w+\{\}", "x", re.sub(r"\\cite\{.*?\}", "[00]", cell).replace("~", " "))
    text = re.sub(r"\\(?:pm|uparrow|downarrow|Delta)\b|\\math\w+|\\underline|\\bar|[${}^+]", "", text).replace("\\", "")
    narrow = sum(text.count(character) for character in ".,: ()[]")
    return 9.0 * (0.55 * (len(text) - narrow) + 0.28 * narrow + 1.15 * wide)
