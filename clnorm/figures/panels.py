"""The panels of a figure: on which pages, in one scale, with labels where rows begin and columns end, one legend."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import TYPE_CHECKING, Generic, Literal, ParamSpec

from clnorm.console import visible
from clnorm.errors import UserError
from clnorm.figures.names import wrap_name
from clnorm.figures.style import WIDTHS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

TALLEST = 8.8
"""Inches of a page's text, up to which a figure goes."""
MOST_PAGES = 6
_ANYWHERE = (-float("inf"), float("inf"))
_MARGIN, _ALONE = 0.05, 0.5  # of what is shown, beyond it; beyond one value alone
_BELOW = 0.35  # inches for a legend of one line
_LINE = 0.16  # inches of one more line
_LETTER, _TITLE = 0.058, 0.068  # inches of a letter of the legend, and of a title
_HANDLE = 0.6  # inches of what stands beside a name of the legend, with its gaps
_LETTERS = 44  # of a line of the legend, over one column


class Paged(Generic[P]):
    """A function that draws pages, which called gives the only one.

    Args:
        draw: to the figures of all pages.
    """

    def __init__(self, draw: "Callable[P, list[Figure]]") -> None:
        self.pages = draw
        update_wrapper(self, draw)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> "Figure":
        """The figure.

        Raises:
            UserError: it has several pages; or as the function.
        """
        return take_page(self.pages(*args, **kwargs), None)


def take_page(pages: "Sequence[Figure]", number: int | None) -> "Figure":
    """One page, counted from 1; without a number the only one.

    Raises:
        UserError: there is none of that number, or there are several and none is chosen.
    """
    if number is None and len(pages) == 1:
        return pages[0]
    if number is None:
        hint = "take one, such as --page 1, or some of the runs, such as --where strategy=replay"
        raise UserError(f"it takes {len(pages)} pages", where="figure", hint=hint)
    if not 1 <= number <= len(pages):
        legal = "1" if len(pages) == 1 else f"1 to {len(pages)}"
        raise UserError(f"there is no page {number}", where="figure", legal=legal)
    return pages[number - 1]


@dataclass(frozen=True)
class Panels:
    """Panels on pages.

    Args:
        pages: the figures.
        axes: of all panels, in the order of their titles.
        first: those with which a row begins.
        lowest: those below which there is no other.
        columns: of the paper that a page is wide.
        across: how many stand in a row.
    """

    pages: "list[Figure]"
    axes: "list[Axes]"
    first: "list[Axes]"
    lowest: "list[Axes]"
    columns: int
    across: int

    def label(self, *, x: str = "", y: str = "") -> None:
        """Name the scales where a row begins and a column ends."""
        for axes in self.first:
            axes.set_ylabel(y)
        for axes in self.lowest:
            axes.set_xlabel(x)

    def share(self, *, x: tuple[float, float] = _ANYWHERE, y: tuple[float, float] = _ANYWHERE) -> None:
        """Give all panels one scale, as wide as any of them needs, with its numbers where its name stands.

        Args:
            x: the x axis goes no further than this.
            y: likewise.
        """
        wide = _unite([(axes.get_xlim(), axes.dataLim.intervalx, axes.get_autoscalex_on()) for axes in self.axes], x)
        high = _unite([(axes.get_ylim(), axes.dataLim.intervaly, axes.get_autoscaley_on()) for axes in self.axes], y)
        for axes in self.axes:
            axes.set_xlim(wide)
            axes.set_ylim(high)
            axes.tick_params(labelleft=axes in self.first, labelbottom=axes in self.lowest)

    def name_ticks(self, names: Sequence[str]) -> None:
        """Name the places 0, 1, ... of the x axis, upright where the names are too long to stand side by side."""
        room = WIDTHS[self.columns] / self.across / len(names)
        upright = _LETTER * max(map(len, names)) > room
        for axes in self.axes:
            axes.set_xticks(
                range(len(names)), [wrap_name(name, _LETTERS // 2) for name in names], rotation=90 * upright
            )

    def add_scale(self, text: str) -> None:
        """What the shades of the panels mean, from 0 to 100 %, at the right of each page."""
        for page in self.pages:
            shrink = min(1.0, 0.3 + 1.5 / page.get_figheight())
            bar = page.colorbar(page.axes[0].images[0], ax=page.axes, label=f"{text} (%)", aspect=30, shrink=shrink)
            bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
            bar.outline.set_linewidth(0.6)

    def add_legend(self) -> None:
        """One legend below the panels of each page, of what any of them shows."""
        shown: dict[str, Artist] = {}
        for axes in self.axes:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                shown.setdefault(label, handle)
        if len(shown) < 2:
            return
        names = [wrap_name(name, _LETTERS * self.columns) for name in shown]
        width = _HANDLE + _LETTER * max(len(line) for name in names for line in name.split("\n"))
        rows = -(-len(names) // max(1, int(WIDTHS[self.columns] // width)))
        lines = rows * max(name.count("\n") + 1 for name in names)
        for page in self.pages:
            page.set_figheight(page.get_figheight() + _LINE * (lines - 1))
            page.legend(shown.values(), names, loc="outside lower center", ncols=-(-len(names) // rows))


def _unite(
    scales: "Sequence[tuple[tuple[float, float], npt.NDArray[np.float64], bool]]", within: tuple[float, float]
) -> tuple[float, float]:
    """The limits that hold what all panels show, with a margin where it is not chosen.

    Args:
        scales: of each panel its limits, the least and the most of what it shows, and whether the limits go by these.
        within: what they do not go beyond.
    """
    if not all(follows for _, _, follows in scales):
        lows, highs = zip(*(limits for limits, _, _ in scales), strict=True)
        return max(min(lows), within[0]), min(max(highs), within[1])
    least, most = min(shown[0] for _, shown, _ in scales), max(shown[1] for _, shown, _ in scales)
    margin = _MARGIN * (most - least) or _ALONE
    return max(float(least - margin), within[0]), min(float(most + margin), within[1])


def create_panels(
    titles: Sequence[str],
    *,
    columns: int,
    height: float = 1.9,
    least: float = 1.6,
    left: float = 0.5,
    square: bool = False,
) -> Panels:
    """A panel for each title, in rows that fit the width, on as many pages as that takes.

    Args:
        titles: of the panels.
        columns: of the paper that a page is wide, 1 or 2.
        height: of a row, in inches.
        least: width of a panel, in inches.
        left: how much of it stands left of the axes, above which titles do not go.
        square: whether panels keep a shape of their own, such as that of a matrix.

    Raises:
        UserError: another number of columns, no panel, or more than a few pages of them.
    """
    from matplotlib.figure import Figure

    if columns not in WIDTHS:
        raise UserError(f"{columns} is not legal", where="columns", legal=map(str, WIDTHS))
    if not titles:
        raise UserError("there is no panel", where="figure", hint="see what there is: clnorm runs FOLDER")
    across = min(len(titles), max(1, int(WIDTHS[columns] // least)))
    named = [wrap_name(visible(title), max(1, int((WIDTHS[columns] / across - left) / _TITLE))) for title in titles]
    height += _LINE * max(title.count("\n") for title in named)
    size = across * _divide_rows(-(-len(titles) // across), len(titles), height)
    layout: Literal["compressed", "constrained"] = "compressed" if square else "constrained"
    panels = Panels([], [], [], [], columns, across)
    for begin in range(0, len(titles), size):
        own = named[begin : begin + size]
        down = -(-len(own) // across)
        page = Figure(figsize=(WIDTHS[columns], height * down + _BELOW), layout=layout)
        grid = page.add_gridspec(down, across)
        axes = [page.add_subplot(grid[divmod(place, across)], title=title) for place, title in enumerate(own)]
        panels.pages.append(page)
        panels.axes.extend(axes)
        panels.first.extend(axes[::across])
        panels.lowest.extend(axes[-across:])
    return panels


def _divide_rows(rows: int, panels: int, height: float) -> int:
    """How many rows a page has, about as many as the others.

    Raises:
        UserError: there are more pages than anybody looks at.
    """
    pages = -(-rows // max(1, int((TALLEST - _BELOW) // height)))
    if pages > MOST_PAGES:
        hint = "choose some with --where, such as --where strategy=replay"
        raise UserError(f"{panels} panels take {pages} pages", where="figure", legal=f"up to {MOST_PAGES}", hint=hint)
    return -(-rows // pages)
