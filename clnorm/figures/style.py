"""The one style of all figures: fonts and widths of a paper's column, and how they are written to files."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clnorm.errors import UserError
from clnorm.files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = {1: 3.35, 2: 6.9}
"""Inches of a figure over one column and over two."""
FORMATS = ("pdf", "png", "svg")

_RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titley": 1.0,  # nothing else stands above a panel, which is looked for otherwise
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


@contextmanager
def styled() -> Iterator[None]:
    """Within it, figures are made in the style; what is set outside stays as it is."""
    import matplotlib as mpl

    # The backend stays out: to ask for it loads pyplot, and it is no part of the style.
    rc: dict[Any, Any] = {**mpl.rcParamsDefault, **_RC}
    del rc["backend"]
    with mpl.rc_context(rc):
        yield


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvases: dict[str, Any] = {"pdf": FigureCanvasPdf, "png": FigureCanvasAgg, "svg": FigureCanvasSVG}
    dates = {"pdf": {"CreationDate": None}, "png": {}, "svg": {"Date": None}}
    buffer, canvas, dpi = BytesIO(), figure.canvas, figure.get_dpi()
    with styled():
        figure.set_dpi(_RC["savefig.dpi"])
        try:  # not savefig, which draws a figure twice where it has a layout
            getattr(canvases[ending](figure), f"print_{ending}")(buffer, metadata=dates[ending])
        finally:
            figure.set_canvas(canvas)
            figure.set_dpi(dpi)
    return buffer.getvalue()
