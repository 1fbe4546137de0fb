"""The one style of all figures: fonts and widths of a paper's column, colours that the colour-blind tell apart."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.console import visible
from clnorm.errors import UserError
from clnorm.files import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = {1: 3.35, 2: 6.9}
"""Inches of a figure over one column and over two."""
FORMATS = ("pdf", "png", "svg")
MOST_PANELS = 12

_RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # letters stay letters, which publishers ask for
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name is text, whatever signs it has
    "svg.hashsalt": "clnorm",
}

# Okabe and Ito, "Color Universal Design", 2008, in an order in which neighbours differ in lightness, too.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#D55E00", "#7F7F7F")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 0.6)), (0, (7, 2)), (0, (3, 1, 1, 1)))


@dataclass(frozen=True)
class Look:
    """How one series is drawn: each of the three tells it apart, so that grey print does, too."""

    color: str
    marker: str
    linestyle: Any


def looks_of(names: Sequence[str]) -> dict[str, Look]:
    """A look for each name, by its place; the colours come again after eight names, with other lines."""
    count = len(_COLOURS)
    return {
        name: Look(_COLOURS[index % count], _MARKERS[index % count], _LINES[(index + index // count) % count])
        for index, name in enumerate(names)
    }


@contextmanager
def styled() -> Iterator[None]:
    """Within it, figures are made in the style; what is set outside stays as it is."""
    import matplotlib as mpl

    plain: dict[Any, Any] = {**mpl.rcParamsDefault, "backend": mpl.get_backend(), **_RC}
    with mpl.rc_context(plain):
        yield


def create_panels(
    titles: Sequence[str], *, columns: int, height: float = 1.9, least: float = 1.7, share: bool = True
) -> "tuple[Figure, list[Axes]]":
    """A figure with a panel for each title, in rows that fit the width.

    Args:
        titles: of the panels.
        columns: of the paper that it is wide, 1 or 2.
        height: of a row, in inches.
        least: width of a panel, in inches.
        share: whether the panels have one scale, in both directions.

    Raises:
        UserError: another number of columns, no panel, or more than fit a page.
    """
    from matplotlib.figure import Figure

    if columns not in WIDTHS:
        raise UserError(f"{columns} is not legal", where="columns", legal=map(str, WIDTHS))
    if not 0 < len(titles) <= MOST_PANELS:
        hint = "choose some with --where, such as --where strategy=replay"
        raise UserError(f"{len(titles)} panels", where="figure", legal=f"1 to {MOST_PANELS}", hint=hint)
    across = min(len(titles), int(WIDTHS[columns] // least))
    down = -(-len(titles) // across)
    figure = Figure(figsize=(WIDTHS[columns], height * down + 0.35), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharex=share, sharey=share).ravel().tolist()
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title(visible(title))
    for spare in grid[len(titles) :]:
        spare.set_axis_off()
    return figure, grid[: len(titles)]


def add_legend(figure: "Figure", panels: "Sequence[Axes]", *, columns: int) -> None:
    """One legend below all panels, of what any of them shows."""
    shown: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    if len(shown) > 1:
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=min(len(shown), 3 * columns))


def check_format(path: str | Path) -> str:
    """The format that a file's name ends with.

    Raises:
        UserError: it ends with none.
    """
    ending = Path(path).suffix[1:].lower()
    if ending not in FORMATS:
        legal = [f".{each}" for each in FORMATS]
        raise UserError(f"{str(path)!r} ends with no format", where="figure", legal=legal, given=f".{ending}")
    return ending


def label_left(panels: "Sequence[Axes]", text: str) -> None:
    """The scale of a row is named where the row begins."""
    for axes in panels:
        if (place := axes.get_subplotspec()) is not None and place.is_first_col():
            axes.set_ylabel(text)


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write a figure in the format that its file's name ends with, the same bytes for the same figure.

    Raises:
        UserError: another ending, or the file cannot be replaced.
        ClnormError: the disk is full or the folder cannot be written.
    """
    content = write_figure(figure, check_format(path))
    replace_file(Path(path), lambda target: target.write(content))


def write_figure(figure: "Figure", ending: str) -> bytes:
    """A figure in one of `FORMATS`, the same bytes for the same figure."""
    dates: dict[str, Mapping[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    buffer = BytesIO()
    with styled():
        figure.savefig(buffer, format=ending, metadata=dict(dates[ending]))
    return buffer.getvalue()
