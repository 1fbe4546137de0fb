"""A card as one HTML file: no script, nothing from elsewhere, every name escaped and visible."""

import base64
from io import BytesIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clnorm import __version__
from clnorm.card.parts import Card, Picture
from clnorm.console import visible
from clnorm.figures.style import styled

_LONG = 24  # characters above which a cell may be broken


def render_html(card: Card) -> str:
    """The whole page."""
    environment = Environment(
        loader=PackageLoader("clnorm.card", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_show,
    )
    environment.filters |= {"drawing": _draw, "kind": _kind}
    return environment.get_template("card.html").render(card=card, version=__version__)


def _show(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _kind(cell: str) -> str:
    """The class of a cell: text that may be broken, or one that stays on its line."""
    return "long" if len(cell) > _LONG else "short"


def _draw(picture: Picture) -> str:
    """A figure's SVG as the address of an image, in which no script runs."""
    buffer = BytesIO()
    with styled():
        picture.figure.savefig(buffer, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"
