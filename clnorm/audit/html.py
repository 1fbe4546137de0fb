"""The report as one HTML file: no script, nothing from elsewhere, every name escaped and visible."""

import math
from pathlib import Path

from markupsafe import Markup

from clnorm import __version__
from clnorm.audit.verdicts import AuditReport, Mark
from clnorm.pages.page import create_environment, write_page

_LONG = 20  # characters above which a cell has a width of its own
_SIGNS = {Mark.OK: "✓", Mark.NOTE: "i", Mark.WARNING: "!", Mark.UNKNOWN: "?"}


def render_html(report: AuditReport) -> str:
    """The whole page."""
    environment = create_environment("clnorm.audit")
    environment.filters |= {"cell": _cell, "long": _is_long, "number": _is_number, "drawing": Markup}
    return environment.get_template("report.html").render(report=report, signs=_SIGNS, version=__version__)


def write_html(report: AuditReport, path: Path) -> None:
    """Write the page to `path`, whole or not at all.

    Raises:
        UserError: its folder does not exist, or it is one itself.
        ClnormError: it cannot be written.
    """
    write_page(render_html(report), path)


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
