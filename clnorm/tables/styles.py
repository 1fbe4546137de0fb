"""How tables are laid out in papers: rows, columns and metrics that belong together."""

from dataclasses import dataclass
from types import MappingProxyType

from clnorm.errors import UserError
from clnorm.tables.grid import AXES


@dataclass(frozen=True)
class Style:
    """A layout.

    Args:
        axes: the kinds of rows and columns.
        metrics: keys, within each column.
        source: who lays tables out so.
    """

    axes: tuple[str, str]
    metrics: tuple[str, ...]
    source: str


_METHODS = ("strategy", "protocol")
STYLES = MappingProxyType(
    {
        "plain": Style(AXES, ("accuracy", "forgetting"), "clnorm"),
        "tcd": Style(
            _METHODS, ("average_incremental_accuracy", "nme_average_incremental_accuracy"), "Park et al. 2021"
        ),
        "vclimb": Style(_METHODS, ("accuracy", "vclimb_forgetting"), "Villa et al. 2022"),
    }
)


def find_style(name: str) -> Style:
    """A layout by its name.

    Raises:
        UserError: there is none.
    """
    if name not in STYLES:
        raise UserError(f"unknown style {name!r}", where="--style", legal=STYLES, given=name)
    return STYLES[name]
