"""What a card is made of, before it is a page: texts, tables and figures, each with what it was made with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REFERENCES = ("bn", "ln", "cn")
"""The norms that a norm is compared with."""
NONE = "--"
"""What stands for a number that is not there."""


@dataclass(frozen=True)
class Table:
    """A table of texts, as they are shown.

    Args:
        caption: what its numbers are, with their unit, interval and n.
        columns: their heads.
        rows: the first cell of each is its head.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A figure with its caption."""

    caption: str
    figure: "Figure"


@dataclass(frozen=True)
class Part:
    """A section of the card.

    Args:
        name: for links to it.
        title: of the section.
        text: its paragraphs.
        tables: its tables.
        pictures: its figures.
        made: what its numbers were made with.
    """

    name: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    made: str = ""


@dataclass(frozen=True)
class Card:
    """All that the page says.

    Args:
        norm: the norm with the options that are not at their defaults.
        title: what it is, in a line.
        glance: what is most asked for, by what it is.
        parts: the sections.
        versions: of the packages and the machine.
    """

    norm: str
    title: str
    glance: Mapping[str, str]
    parts: tuple[Part, ...]
    versions: Mapping[str, str] = field(default_factory=dict)


def plus_minus(mean: str, half_width: str) -> str:
    """A mean with the half width of its interval."""
    return f"{mean} ± {half_width}"
