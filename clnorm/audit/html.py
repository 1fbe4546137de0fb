"""The report as one HTML file: no script, nothing from elsewhere, every name escaped and visible."""

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clnorm import __version__
from clnorm.audit.verdicts import AuditReport, Mark
from clnorm.console import visible
from clnorm.errors import UserError
from clnorm.files import replace_file

_LONG = 20  # characters above which a cell has a width of its own
_SIGNS = {Mark.OK: "✓", Mark.NOTE: "i", Mark.WARNING: "!", Mark.UNKNOWN: "?"}


def render_html(report: AuditReport) -> str:
    """The whole page."""
    environment = Environment(
        loader=PackageLoader("clnorm.audit", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_show,
    )
    environment.filters |= {"cell": _cell, "long": _is_long, "number": _is_number, "png": _png, "drawing": Markup}
    return environment.get_template("report.html").render(report=report, signs=_SIGNS, version=__version__)


def write_html(report: AuditReport, path: Path) -> None:
    """Write the page to `path`, whole or not at all.

    Raises:
        UserError: its folder does not exist, or it is one itself.
        ClnormError: it cannot be written.
    """
    if not path.parent.is_dir():
        raise UserError("there is no such folder", where=str(path.parent), hint="make it, or choose another --out")
    if path.is_dir():
        raise UserError("is a folder", where=str(path), hint="name a file, such as --out audit.html")
    replace_file(path, _writer(render_html(report).encode()))


def _writer(content: bytes) -> Callable[[BinaryIO], object]:
    return lambda file: file.write(content)


def _show(value: object) -> object:
    """What stands in the page for a value: a text made visible, and a drawing as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) or value is None


def _cell(value: object) -> str:
    """A cell's text: numbers to three digits, and `--` for what is not defined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "--"
    if isinstance(value, float):
        return "∞" if math.isinf(value) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_long(value: object) -> bool:
    """Whether a cell's text needs lines of its own, or may be broken: a sentence, or a path without spaces."""
    return isinstance(value, str) and len(value) > _LONG


def _png(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"
