"""Figures of where forgetting lives."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clnorm.figures.names import label_norms, list_norms, list_strategies, title_runs
from clnorm.figures.panels import Paged, create_panels
from clnorm.figures.style import styled
from clnorm.results.explanation import PARTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = dict(zip(PARTS, ("#56B4E9", "#E69F00", "#0072B2"), strict=True))
_HATCHES = dict(zip(PARTS, ("", "///", "..."), strict=True))


@Paged
def plot_explanation(
    explanations: pd.DataFrame, *, columns: int = 2, names: Mapping[str, str] | None = None
) -> "list[Figure]":
    """The parts of forgetting in points, stacked, as means over old experiences and seeds; a panel for each strategy.

    A part below zero hangs below the line, so that the sum of the bars above it less those below is the forgetting,
    which a mark shows.

    Args:
        explanations: of `load_explanations`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: there are more panels than fit a page.
    """
    rows, titles = label_norms(explanations), title_runs(explanations, names)
    means = 100 * rows.groupby(["strategy", "norm", "part"])["value"].mean()
    norms, strategies = list_norms(rows), list_strategies(rows)
    with styled():
        panels = create_panels([titles.strategies[name] for name in strategies], columns=columns)
        for axes, strategy in zip(panels.axes, strategies, strict=True):
            values = means[strategy].unstack("part").reindex(index=norms, columns=PARTS)
            places, above, below = np.arange(len(norms)), np.zeros(len(norms)), np.zeros(len(norms))
            for part in PARTS:
                heights = values[part].to_numpy()
                axes.bar(
                    places,
                    heights,
                    0.6,
                    bottom=np.where(heights >= 0, above, below),
                    color=_COLOURS[part],
                    hatch=_HATCHES[part],
                    edgecolor="white",
                    linewidth=0.4,
                    label=part,
                )
                above, below = above + heights.clip(min=0), below + heights.clip(max=0)
            axes.plot(places, above + below, linestyle="", marker="_", markersize=12, color="black", label="forgetting")
            axes.axhline(0, color="black", linewidth=0.6)
        panels.label(y="forgetting (points)")
        panels.share()
        panels.name_ticks([titles.norms[norm] for norm in norms])
        panels.add_legend()
    return panels.pages
