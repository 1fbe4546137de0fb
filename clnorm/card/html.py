"""A card as one HTML file: no script, nothing from elsewhere, every name escaped and visible."""

from functools import partial

from clnorm import __version__
from clnorm.card.parts import Card
from clnorm.figures.style import write_figure
from clnorm.pages.page import create_environment

_LONG = 24  # characters above which a cell may be broken


def render_html(card: Card) -> str:
    """The whole page."""
    environment = create_environment("clnorm.card")
    environment.filters |= {"svg": partial(write_figure, ending="svg"), "kind": _kind}
    return environment.get_template("card.html").render(card=card, version=__version__)


def _kind(cell: str) -> str:
    """The class of a cell: text that may be broken, or one that stays on its line."""
    return "long" if len(cell) > _LONG else "short"
