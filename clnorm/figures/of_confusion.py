"""Figures of confusion: which class is taken for which, and what is old and new."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clnorm.console import visible
from clnorm.errors import UserError
from clnorm.figures.names import label_norms, list_cells, title_runs
from clnorm.figures.panels import Paged, create_panels
from clnorm.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TALLEST = 2.8  # inches of a panel, of which three stand on a page
_MOST_NAMED = 26  # classes whose names fit beside a panel


@Paged
def plot_confusion(
    confusion: pd.DataFrame, *, columns: int = 2, names: Mapping[str, str] | None = None
) -> "list[Figure]":
    """The share of each class's test clips that are taken for each other in the end, over all seeds with one order.

    Classes stand in the order in which they were learned; lines part the experiences, so that what is taken for classes
    of a later one stands right of the diagonal's blocks. A panel for each norm and strategy.

    Args:
        confusion: of `load_confusion`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: the runs have their classes in several orders, or there are more panels than fit a page.
    """
    firsts = confusion[confusion["taken"] == 0]
    orders = {tuple(own) for _, own in firsts.groupby("run")["class"]}
    if len(orders) > 1:
        what, hint = f"the runs have {len(orders)} orders of their classes", "choose one with --where seed=0"
        raise UserError(what, where="figure", hint=hint)
    (classes,) = orders
    rows, titles = label_norms(confusion), title_runs(confusion, names)
    shown = [visible(name) for name in classes]
    begins = rows.drop_duplicates("place").sort_values("place").groupby("experience", sort=True)["place"].min().tolist()
    cells = list_cells(rows)
    with styled():
        least = 3.0 if len(shown) <= _MOST_NAMED else 2.0
        named = [titles.cell(*cell) for cell in cells]
        panels = create_panels(named, columns=columns, height=min(least, _TALLEST), least=least, left=0.8, square=True)
        for axes, (norm, strategy) in zip(panels.axes, cells, strict=True):
            own = rows[(rows["norm"] == norm) & (rows["strategy"] == strategy)]
            counts = own.pivot_table(index="place", columns="taken", values="clips", aggfunc="sum", fill_value=0)
            axes.imshow(counts.div(counts.sum(axis=1), axis=0), vmin=0, vmax=1, cmap="Blues")
            axes.grid(visible=False)
            for begin in begins[1:]:
                axes.axhline(begin - 0.5, color="black", linewidth=0.5)
                axes.axvline(begin - 0.5, color="black", linewidth=0.5)
            if len(shown) <= _MOST_NAMED:
                axes.set_yticks(range(len(shown)), shown, fontsize=5)
                axes.set_xticks(np.arange(len(shown)), shown, rotation=90, fontsize=5)
        panels.label(x="taken for", y="class")
        panels.add_scale("share of the class")
    return panels.pages
