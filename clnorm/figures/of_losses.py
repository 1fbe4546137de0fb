"""Figures of the training itself."""

from typing import TYPE_CHECKING

import pandas as pd

from clnorm.figures.looks import looks_of
from clnorm.figures.names import label_norms, list_norms, list_strategies
from clnorm.figures.panels import Paged, create_panels
from clnorm.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@Paged
def plot_losses(losses: pd.DataFrame, *, columns: int = 2) -> "list[Figure]":
    """The training loss of each epoch, one thin line a seed and their mean; lines part the experiences.

    A panel for each strategy. Losses of several strategies are of other sums, and compare within one alone.

    Args:
        losses: of `load_losses`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.

    Raises:
        UserError: there are more panels than fit a page.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    rows = label_norms(losses)
    norms, strategies = list_norms(rows), list_strategies(rows)
    looks = looks_of(norms)
    with styled():
        panels = create_panels(strategies, columns=columns)
        for axes, strategy in zip(panels.axes, strategies, strict=True):
            of_strategy = rows[rows["strategy"] == strategy]
            for norm in norms:
                own, look = of_strategy[of_strategy["norm"] == norm], looks[norm]
                points = own[["passed", "loss"]].to_numpy()
                seeds = [points[rows] for rows in own.groupby("run").indices.values()]
                axes.add_collection(LineCollection(seeds, colors=look.color, linewidths=0.4, alpha=0.5))
                mean = own.groupby("passed")["loss"].mean()
                if len(mean):
                    axes.plot(mean.index, mean, color=look.color, linestyle=look.linestyle, label=norm)
            for begin in of_strategy.groupby("experience")["passed"].min().iloc[1:]:
                axes.axvline(begin - 0.5, color="#7F7F7F", linewidth=0.5, linestyle=":")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
            axes.set_ylim(bottom=0)
        panels.label(x="epochs passed", y="training loss")
        panels.add_legend()
    return panels.pages
