"""Numbers that papers report, read from a file: shown beside what runs measured, never among it."""

import csv
import io
import math
from dataclasses import dataclass, fields
from pathlib import Path

from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS

_MOST_BYTES = 1_000_000
_YEARS = range(1980, 2101)


@dataclass(frozen=True)
class Published:
    """One reported number, with what it was measured under as far as its source says.

    Args:
        method: as its paper calls it.
        year: of the source.
        dataset: its name here.
        protocol: its name here, without an order of the classes.
        orders: how many orders of the classes it is a mean over, or `unknown`.
        backbone: as the source calls it.
        weights: what the backbone starts from.
        exemplars: what is kept of old classes.
        metric: its key here.
        value: a share.
        source: where it stands.
        second_hand: whether it stands in another paper than the method's own.
    """

    method: str
    year: int
    dataset: str
    protocol: str
    orders: str
    backbone: str
    weights: str
    exemplars: str
    metric: str
    value: float
    source: str
    second_hand: bool


COLUMNS = tuple(item.name for item in fields(Published))


def read_published(file: str | Path) -> tuple[Published, ...]:
    """The numbers of a CSV file with the columns of `Published`, `value` in per cent and `second_hand` yes or no.

    Raises:
        UserError: it cannot be read, has other columns, an empty or wrong cell, or the same number twice.
    """
    path, found = Path(file), list[Published]()
    try:
        content = path.read_bytes()
        if len(content) > _MOST_BYTES:
            raise UserError("is larger than a megabyte", where=str(path), legal="reported numbers, a line each")
        lines = list(csv.reader(io.StringIO(content.decode()), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot be read ({reason})", where=str(path), hint="give a CSV file") from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise UserError("has other columns", where=str(path), legal=", ".join(COLUMNS))
    places: dict[tuple[object, ...], int] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not cells:
            continue
        where = f"{path}: line {number}"
        read = _read_line(cells, where=where)
        place = (read.method, read.dataset, read.protocol, read.metric, read.backbone, read.weights, read.source)
        if (before := places.setdefault(place, number)) != number:
            raise UserError(f"says the same as line {before}", where=where, hint="leave out one of the two")
        found.append(read)
    return tuple(found)


def _read_line(cells: list[str], *, where: str) -> Published:
    if len(cells) != len(COLUMNS):
        raise UserError(f"has {len(cells)} cells", where=where, legal=f"{len(COLUMNS)}, one for each column")
    told = dict(zip(COLUMNS, (cell.strip() for cell in cells), strict=True))
    for name, text in told.items():
        if not text or not text.isprintable():
            legal = "text that can be printed; unknown, none" if not text else "text that can be printed"
            raise UserError(f"{name} is {text!r}", where=where, legal=legal)
    if told["metric"] not in METRICS:  # no plug-in, whose code a file must not run
        what = f"unknown metric {told['metric']!r}"
        raise UserError(what, where=where, legal=METRICS, given=told["metric"])
    if told["second_hand"] not in ("yes", "no"):
        raise UserError(f"second_hand is {told['second_hand']!r}", where=where, legal="yes, no")
    if not told["year"].isascii() or not told["year"].isdigit() or int(told["year"]) not in _YEARS:
        raise UserError(f"year is {told['year']!r}", where=where, legal="a year such as 2021")
    texts = {name: told[name] for name in COLUMNS if name not in ("year", "value", "second_hand")}
    value, second_hand = _read_share(told["value"], where), told["second_hand"] == "yes"
    return Published(**texts, year=int(told["year"]), value=value, second_hand=second_hand)


def _read_share(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -100 <= value <= 100:
        raise UserError(f"value is {text!r}", where=where, legal="per cent, such as 45.34")
    return value / 100
