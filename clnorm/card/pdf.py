"""A card as a PDF: what the page says, as text, tables and figures on sheets of A4, drawn by matplotlib."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from clnorm.card.parts import Card, Table
from clnorm.console import visible
from clnorm.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHEET, _MARGIN = (8.27, 11.69), 0.7  # inches
_SIZES = {"title": 16.0, "heading": 12.0, "text": 8.5, "table": 6.6}  # points
_LEADING = 1.35
_COLUMNS = 124  # characters of a table's line, in a type whose letters are all alike wide
_WIDEST = 64  # characters of a cell
_CHARACTERS = {"title": 62, "heading": 84, "text": 118, "table": _COLUMNS}
_FONTS = {"table": "DejaVu Sans Mono"}
_DPI = 200  # of figures


@dataclass(frozen=True)
class _Line:
    """A line of text in one of the sizes, or a figure; `is_first` where nothing may be parted from what follows."""

    text: str = ""
    size: str = "text"
    is_bold: bool = False
    figure: "Figure | None" = None
    is_first: bool = False

    @property
    def height(self) -> float:
        """In inches."""
        if self.figure is None:
            return _SIZES[self.size] * _LEADING / 72
        wide, high = self.figure.get_size_inches()
        return float(high * min(1.0, _inner_width() / wide)) + 0.1


def _inner_width() -> float:
    return _SHEET[0] - 2 * _MARGIN


def render_pdf(card: Card) -> bytes:
    """The file's content, the same for the same card and version of matplotlib."""
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = BytesIO()
    with styled(), PdfPages(buffer, metadata={"CreationDate": None, "Title": visible(f"Card of {card.norm}")}) as pages:
        for sheet in _divide(list(_write(card))):
            pages.savefig(_draw(sheet))
    return buffer.getvalue()


def _write(card: Card) -> Iterator[_Line]:
    """All lines of the card, in their order."""
    yield from _wrap(card.norm, "title", is_bold=True)
    yield from _wrap(card.title, "text")
    yield _Line()
    glance = Table("At a glance", ("what", "found"), tuple(card.glance.items()))
    yield from _tabulate(glance)
    for part in card.parts:
        yield _Line()
        yield from _wrap(part.title, "heading", is_bold=True, is_first=True)
        for text in part.text:
            yield from _wrap(text, "text")
        for table in part.tables:
            yield _Line()
            yield from _tabulate(table)
        for picture in part.pictures:
            yield _Line()
            yield _Line(figure=picture.figure, is_first=True)
            yield from _wrap(picture.caption, "text")
        yield from _wrap(f"Made with: {part.made}", "text")
    yield _Line()
    yield from _wrap(", ".join(f"{name} {text}" for name, text in card.versions.items()), "text")


def _wrap(text: str, size: str, *, is_bold: bool = False, is_first: bool = False) -> Iterator[_Line]:
    for line in textwrap.wrap(_drawable(text), _CHARACTERS[size]) or [""]:
        yield _Line(line, size, is_bold, is_first=is_first)


def _tabulate(table: Table) -> Iterator[_Line]:
    """A table as lines of letters that are all alike wide; long cells go on below."""
    rows = [[_drawable(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [min(_WIDEST, max(len(row[place]) for row in rows)) for place in range(len(table.columns))]
    spare = _COLUMNS - sum(widths[:-1]) - 2 * (len(widths) - 1)
    widths[-1] = max(min(max(len(row[-1]) for row in rows), spare), 8)
    yield from _wrap(table.caption, "text", is_bold=True, is_first=True)
    for number, row in enumerate(rows):
        parts = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths, strict=True)]
        for line in range(max(map(len, parts))):
            cells = (part[line] if line < len(part) else "" for part in parts)
            text = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            yield _Line(text.rstrip(), "table", is_bold=number == 0, is_first=number == 0)


def _drawable(text: str) -> str:
    """The text with what steers a page, and what the type has no letter for, as escapes of Python's."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    letters = get_font(findfont(FontProperties(family=_FONTS["table"]))).get_charmap()
    shown = visible(text)
    return "".join(each if ord(each) in letters else each.encode("unicode_escape").decode() for each in shown)


def _divide(lines: Sequence[_Line]) -> list[list[_Line]]:
    """The lines of each sheet; a heading stays with what it is of."""
    room = _SHEET[1] - 2 * _MARGIN
    sheets: list[list[_Line]] = [[]]
    left = room
    for number, line in enumerate(lines):
        block, ahead = line.height, number
        while lines[ahead].is_first and ahead + 1 < len(lines):
            ahead += 1
            block += lines[ahead].height
        if left < block and sheets[-1]:
            sheets.append([])
            left = room
        if line.text or line.figure is not None or sheets[-1]:  # no sheet begins with an empty line
            sheets[-1].append(line)
            left -= line.height
    return sheets


def _draw(lines: Sequence[_Line]) -> "Figure":
    """A sheet."""
    from matplotlib.figure import Figure

    sheet = Figure(figsize=_SHEET)
    top = _SHEET[1] - _MARGIN
    for line in lines:
        if line.figure is None:
            font = {"family": _FONTS.get(line.size, "DejaVu Sans"), "size": _SIZES[line.size]}
            weight = "bold" if line.is_bold else "normal"
            sheet.text(_MARGIN / _SHEET[0], top / _SHEET[1], line.text, va="top", weight=weight, fontdict=font)
        else:
            _place(sheet, line.figure, top=top, height=line.height - 0.1)
        top -= line.height
    return sheet


def _place(sheet: "Figure", figure: "Figure", *, top: float, height: float) -> None:
    """Put a figure, as it looks, on a sheet: `top` and `height` in inches."""
    from matplotlib.image import imread

    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    buffer.seek(0)
    pixels = imread(buffer, format="png")
    width = height * pixels.shape[1] / pixels.shape[0]
    box = (_MARGIN / _SHEET[0], (top - height) / _SHEET[1], width / _SHEET[0], height / _SHEET[1])
    axes = sheet.add_axes(box)
    axes.imshow(pixels, aspect="auto")
    axes.set_axis_off()
