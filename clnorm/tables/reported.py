"""Numbers that papers report, as rows of their own beside measured ones."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from clnorm.errors import UserError
from clnorm.results.published import Published
from clnorm.tables.dialects import Dialect
from clnorm.tables.grid import Grid
from clnorm.tables.names import plural

_AXES = ("strategy", "protocol")


def place_reported(grid: Grid, published: Sequence[Published]) -> Grid:
    """The table with each reported number that is of its dataset, and of a protocol and a metric in its columns.

    A protocol's order of the classes does not count, since papers report means over orders.

    Raises:
        UserError: rows are no strategies or columns no protocols, or no number fits.
    """
    if grid.axes != _AXES:
        has = f"{plural(grid.axes[0])} by {grid.axes[1]}"
        what = f"reported numbers are of methods under protocols, and the table has {has}"
        raise UserError(what, where="--published", hint="add --style tcd, or --rows strategy --cols protocol")
    datasets = {_base(stream.dataset) for stream in grid.streams}
    shown = {metric.key for metric in grid.metrics}
    placed = {
        (_name(each), column, each.metric): each
        for each in published
        for column in grid.columns
        if each.metric in shown and each.dataset in datasets and each.protocol == _base(column)
    }
    if not placed:
        legal = sorted({f"{each.dataset} {each.protocol} {each.metric}" for each in published})
        raise UserError(
            "no reported number is of the table's dataset, protocols and metrics", where="--published", legal=legal
        )
    return replace(grid, reported=placed)


def explain_reported(grid: Grid, dialect: Dialect) -> Iterator[str]:
    """Where reported numbers come from, those under the same conditions together."""
    sources: dict[tuple[str, ...], list[str]] = {}
    for each in grid.reported.values():
        orders = f"{each.orders} orders" if each.orders.isdigit() and each.orders != "1" else f"orders {each.orders}"
        conditions = (f"{each.backbone} from {each.weights}", f"exemplars {each.exemplars}", orders, each.source)
        methods = sources.setdefault(conditions, [])
        methods += [each.method] * (each.method not in methods)
    for (backbone, *others), methods in sources.items():
        told = dialect.escape("; ".join([f"{', '.join(methods)} with {backbone}", *others]))
        yield f"Reported, not measured here: {told}"


def _name(each: Published) -> tuple[str, str]:
    return each.method, "reported, second-hand" if each.second_hand else "reported"


def _base(name: str) -> str:
    return name.partition(":")[0]
