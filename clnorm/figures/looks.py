"""How each norm is drawn: a colour, a marker, a line and a hatch of its own, the same in every figure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from clnorm.errors import UserError

# Okabe and Ito, "Color Universal Design", 2008, in an order in which neighbours differ in lightness, too.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#D55E00", "#7F7F7F")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_HATCHES = ("", "///", "...", "xxx", "---", "\\\\\\", "|||", "+++")
_LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 0.6)), (0, (7, 2)), (0, (3, 1, 1, 1)))
_MOST = len(_COLOURS) * len(_HATCHES)

# The norms of the catalogue by the place of their look. The eight that are compared most have a colour alone; those
# after them share one with a norm that they are seldom compared with. A new norm goes to the end: the others stay.
_PLACES = (
    *("ln", "bn", "gn", "cn", "in", "rms", "brn", "sn"),
    *("bn_cma", "dyt", "adab2n", "derf", "identity", "bn_frozen", "prepbn", "tbbn"),
    "bn_task",
)


@dataclass(frozen=True)
class Look:
    """How one series is drawn: lines, marks and bars each tell it apart without its colour, so that grey print does."""

    color: str
    marker: str
    linestyle: Any
    hatch: str
    fillstyle: Literal["full", "none"]


def looks_of(norms: Iterable[str]) -> dict[str, Look]:
    """A look for each norm, no two alike.

    A norm of the catalogue has the same look whatever stands beside it. Another one, such as a norm with options or a
    plug-in's, takes by alphabet the first look that is of no norm of the catalogue, of a colour that is used least.

    Raises:
        UserError: there are more norms than looks.
    """
    names = list(dict.fromkeys(norms))
    places = {name: _PLACES.index(name) for name in names if name in _PLACES}
    others, free = sorted(set(names) - set(places)), list(range(len(_PLACES), _MOST))
    if len(others) > len(free):
        what = f"there are {len(others)} norms with options or of plug-ins"
        hint = "choose some with --where, such as --where norm=bn"
        raise UserError(what, where="figure", legal=f"up to {len(free)} that can be told apart", hint=hint)
    used = Counter(place % len(_COLOURS) for place in places.values())
    for name in others:
        place = min(free, key=lambda place: (used[place % len(_COLOURS)], place))
        free.remove(place)
        used[place % len(_COLOURS)] += 1
        places[name] = place
    return {name: _look_at(places[name]) for name in names}


def _look_at(place: int) -> Look:
    """Colours come again after eight places, with other lines and hatches, and every other time with hollow marks."""
    again, colour = divmod(place, len(_COLOURS))
    return Look(
        _COLOURS[colour],
        _MARKERS[(colour + again // 2) % len(_MARKERS)],
        _LINES[(colour + again) % len(_LINES)],
        _HATCHES[(colour + again) % len(_HATCHES)],
        "none" if again % 2 else "full",
    )
