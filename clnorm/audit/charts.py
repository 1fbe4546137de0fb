"""Drawings of an audit as SVG: nothing from elsewhere, and colours by class names of the page's style.

Series differ in more than their colour: the second one is hatched or drawn as a line. Text is escaped by ElementTree,
and control characters, which are no XML, stand as escapes.
"""

import math
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
import numpy.typing as npt

from clnorm.console import visible

Floats = npt.NDArray[np.float64]
_CHAR = 6.6  # width of a character of 12 px, about
_ROW, _BINS = 18, 24
_LONGEST = 36  # characters of a name


def draw_bars(names: Sequence[str], series: Mapping[str, npt.NDArray[np.int64]]) -> str:
    """Horizontal stacked bars, one a name; the parts of a bar are the series.

    The counts stand between name and bar, where a narrow page shows them without scrolling.
    """
    counted = [" + ".join(str(counts[row]) for counts in series.values()) for row in range(len(names))]
    ends, width = _room(names), 420
    left = ends + _room(counted)
    svg = _svg(left + width + 4, 24 + _ROW * len(names) + 4)
    _legend(svg, list(series), ends - 6)
    total = sum(series.values())
    scale = width / max(1, int(np.max(total)))
    for row, name in enumerate(names):
        y = 24 + row * _ROW
        _text(svg, ends - 6, y + 12, name, anchor="end")
        _text(svg, left - 6, y + 12, counted[row], anchor="end")
        x = float(left)
        for index, counts in enumerate(series.values()):
            _rect(svg, (x, y, counts[row] * scale, _ROW - 4), kind=f"s{index}")
            x += counts[row] * scale
    return _finish(svg)


def draw_histograms(panels: Mapping[str, Mapping[str, npt.NDArray[np.floating | np.integer]]]) -> str:
    """Panels of histograms over common bins, three in a row: the first series filled, the second as a line."""
    wide, high, across = 250, 150, min(3, len(panels))
    svg = _svg(across * wide, 24 + high * math.ceil(len(panels) / across))
    _legend(svg, list(next(iter(panels.values()))), 10)
    for place, (title, series) in enumerate(panels.items()):
        x0, y0 = (place % across) * wide + 10, 24 + (place // across) * high
        low, high_value = (float(of([of(v) for v in series.values()])) for of in (np.min, np.max))
        bins = np.linspace(low, high_value if high_value > low else low + 1, _BINS + 1)
        shares = {name: np.histogram(values, bins)[0] / len(values) for name, values in series.items()}
        top = max(float(share.max()) for share in shares.values())
        _text(svg, x0, y0 + 14, title, kind="strong")
        box = (x0, y0 + 22, wide - 30, high - 50)
        for index, share in enumerate(shares.values()):
            _steps(svg, share / top, box, filled=index == 0, kind=f"s{index}")
        _axis(svg, box, low, high_value)
    return _finish(svg)


def draw_heat(rows: Sequence[str], columns: Sequence[str], values: Floats) -> str:
    """A table of standardized numbers, (rows, columns), each with its sign, on a ground as strong as the number."""
    left, wide = _room(rows), 92
    svg = _svg(left + wide * len(columns) + 4, 26 + _ROW * len(rows) + 4)
    for column, name in enumerate(columns):
        _text(svg, left + (column + 0.5) * wide, 14, name, anchor="middle", kind="strong")
    for row, name in enumerate(rows):
        y = 24 + row * _ROW
        _text(svg, left - 6, y + 12, name, anchor="end")
        for column, value in enumerate(values[row].tolist()):
            x = left + column * wide
            if not math.isnan(value):
                _rect(svg, (x, y, wide - 2, _ROW - 2), kind=f"{'low' if value < 0 else 'high'} {_strength(value)}")
            _text(svg, x + wide / 2, y + 12, "--" if math.isnan(value) else f"{value:+.2f}", anchor="middle")
    return _finish(svg)


def _strength(value: float) -> str:
    """The class of a ground: g0 at 0 to g4 at one standard deviation and more."""
    return f"g{min(4, int(abs(value) * 4 + 0.5))}"


def draw_intervals(rows: Sequence[tuple[str, float, float, float]], *, chance: float) -> str:
    """Shares as dots with their intervals: (name, value, low, high), 0 to 1; a broken line stands at chance."""
    left, width = _room([row[0] for row in rows]), 420
    svg = _svg(left + width + 70, 30 + 26 * len(rows) + 22)
    bottom = 10 + 26 * len(rows)
    for tick in range(0, 101, 20):
        x = left + width * tick / 100
        _line(svg, (x, 6, x, bottom), kind="grid")
        _text(svg, x, bottom + 16, f"{tick} %", anchor="middle")
    x = left + width * chance
    _line(svg, (x, 6, x, bottom), kind="chance")
    for index, (name, value, low, high) in enumerate(rows):
        y = 20 + 26 * index
        _text(svg, left - 6, y + 4, name, anchor="end")
        _line(svg, (left + width * low, y, left + width * high, y), kind="whisker")
        SubElement(svg, "circle", {"cx": _n(left + width * value), "cy": _n(y), "r": "5", "class": "s0"})
        _text(svg, left + width * high + 8, y + 4, f"{100 * value:.1f} %")
    return _finish(svg)


def _svg(width: float, height: float) -> Element:
    box = f"0 0 {_n(width)} {_n(height)}"
    style = f"max-width:{_n(width)}px;min-width:{_n(0.8 * width)}px"  # narrower pages scroll: the text stays legible
    return Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": box, "style": style})


def _finish(svg: Element) -> str:
    return tostring(svg, encoding="unicode")


def _legend(svg: Element, names: Sequence[str], x: float) -> None:
    if len(names) < 2:
        return
    for index, name in enumerate(names):
        _rect(svg, (x, 4, 12, 12), kind=f"s{index}")
        _text(svg, x + 17, 14, name)
        x += 34 + _CHAR * len(_label(name))


def _steps(svg: Element, heights: Floats, box: tuple[float, float, float, float], *, filled: bool, kind: str) -> None:
    """A histogram's outline; `heights` are shares of the box's height."""
    x, y, width, height = box
    step = width / len(heights)
    points = [f"{_n(x)},{_n(y + height)}"]
    for index, value in enumerate(heights.tolist()):
        level = _n(y + height * (1 - value))
        points += [f"{_n(x + index * step)},{level}", f"{_n(x + (index + 1) * step)},{level}"]
    points.append(f"{_n(x + width)},{_n(y + height)}")
    shape = {"points": " ".join(points), "class": f"{kind} area" if filled else f"{kind} outline"}
    SubElement(svg, "polygon" if filled else "polyline", shape)


def _axis(svg: Element, box: tuple[float, float, float, float], low: float, high: float) -> None:
    x, y, width, height = box
    _line(svg, (x, y + height, x + width, y + height), kind="axis")
    _text(svg, x, y + height + 14, f"{low:.4g}")
    _text(svg, x + width, y + height + 14, f"{high:.4g}", anchor="end")


def _room(names: Sequence[str]) -> float:
    return 12 + _CHAR * max(len(_label(name)) for name in names)


def _label(name: str) -> str:
    """A name as it is drawn: visible, and its end left out where it is long; the tables have it in full."""
    shown = visible(name)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _rect(parent: Element, box: tuple[float, float, float, float], *, kind: str) -> None:
    x, y, width, height = map(_n, box)
    SubElement(parent, "rect", {"x": x, "y": y, "width": width, "height": height, "class": kind})


def _line(parent: Element, ends: tuple[float, float, float, float], *, kind: str) -> None:
    x1, y1, x2, y2 = map(_n, ends)
    SubElement(parent, "line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind})


def _text(svg: Element, x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> None:
    places = {"x": _n(x), "y": _n(y), "text-anchor": anchor} | ({"class": kind} if kind else {})
    SubElement(svg, "text", places).text = _label(text)


def _n(number: float) -> str:
    return f"{float(number):.1f}".removesuffix(".0")
