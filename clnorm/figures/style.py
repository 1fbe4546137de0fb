"""The one style of all figures: fonts and widths of a paper's column, and how they are written to files."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter, warn_explicit

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
        UserError: another ending, or the file cannot be replaced; or as `write_figure`.
        ClnormError: the disk is full or the folder cannot be written.
    """
    content = write_figure(figure, check_format(path))
    replace_file(Path(path), lambda target: target.write(content))


def write_figure(figure: "Figure", ending: str) -> bytes:
    """A figure in one of `FORMATS`, the same bytes for the same figure.

    Raises:
        UserError: the font lacks a letter of a name, which a picture would show as a box. An svg keeps letters as such,
            and is drawn with those of its reader.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvases: dict[str, Any] = {"pdf": FigureCanvasPdf, "png": FigureCanvasAgg, "svg": FigureCanvasSVG}
    dates = {"pdf": {"CreationDate": None}, "png": {}, "svg": {"Date": None}}
    buffer, canvas, dpi = BytesIO(), figure.canvas, figure.get_dpi()
    with styled(), _refusing_boxes(figure, ending):
        figure.set_dpi(_RC["savefig.dpi"])
        try:  # not savefig, which draws a figure twice where it has a layout
            getattr(canvases[ending](figure), f"print_{ending}")(buffer, metadata=dates[ending])
        finally:
            figure.set_canvas(canvas)
            figure.set_dpi(dpi)
    return buffer.getvalue()


@contextmanager
def _refusing_boxes(figure: "Figure", ending: str) -> Iterator[None]:
    """Within it, a letter that the font lacks is an error, but for an svg, which keeps it.

    Raises:
        UserError: one is lacking; it is named, and a text that has it.
    """
    from matplotlib.text import Text

    with catch_warnings(record=True) as told:
        simplefilter("always")
        yield
    found = [re.match(r"Glyph (\d+) .*missing from", str(each.message)) for each in told]
    for warning, glyph in zip(told, found, strict=True):
        if glyph is None:
            warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    lacking = dict.fromkeys(chr(int(glyph[1])) for glyph in found if glyph is not None)
    if not lacking or ending == "svg":
        return
    texts = [text.get_text() for text in figure.findobj(Text)]
    named = next((text for text in texts if set(lacking) & set(text)), "")
    what = f"the font of figures lacks the letters {''.join(lacking)}, such as of {named!r}"
    raise UserError(
        what, where="figure", hint="name a file that ends with .svg, which is shown with its reader's fonts"
    )
