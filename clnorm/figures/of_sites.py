"""Figures of norm sites: plasticity and drift along the depth of the model."""

from typing import TYPE_CHECKING

import pandas as pd

from clnorm.errors import UserError
from clnorm.evaluation.stats import t_interval
from clnorm.figures.names import label_norms, list_norms, list_strategies
from clnorm.figures.style import add_legend, create_panels, label_left, looks_of, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES = {
    "dormant": "dormant units (share)",
    "duplicate": "duplicate units (share)",
    "effective_rank": "effective rank",
    "stable_rank": "stable rank",
    "weight_norm": "norm of the weights",
    "gradient_norm": "norm of the gradient",
    "effective_rate": "effective learning rate",
    "drift_probe": "drift of the inputs",
    "drift_running": "drift of running statistics",
}
"""The columns of `plasticity.parquet` that are drawn, and what their scale is called."""
_ROOM = 1.3  # of the largest mean, up to where a panel goes


def plot_sites(sites: pd.DataFrame, *, measure: str = "effective_rank", columns: int = 2) -> "Figure":
    """A measure at each norm site along the depth of the model, after the first experience and after the last.

    A panel for each strategy and moment; lines are means over seeds, bands their 95 % Student-t intervals, which are
    cut below 0 and where they would make the lines flat. Norms of which the measure is undefined are not drawn.

    Args:
        sites: of `load_sites`, of runs of one setting.
        measure: a column of `plasticity.parquet`.
        columns: of the paper that it is wide, 1 or 2.

    Raises:
        UserError: there is no such measure, it is nowhere defined, or there are more panels than fit a page.
    """
    from matplotlib.ticker import MaxNLocator

    if measure not in MEASURES:
        raise UserError(f"there is no {measure!r}", where="measure", legal=MEASURES, given=measure)
    rows = label_norms(sites[sites[measure].notna()])
    if rows.empty:
        raise UserError(f"{measure} is defined at no site", where="measure", hint="drift needs a second experience")
    norms, strategies = list_norms(rows), list_strategies(rows)
    looks, top = looks_of(norms), _ROOM * rows.groupby(["norm", "strategy", "after", "depth"])[measure].mean().max()
    moments = [(s, t) for s in strategies for t in sorted({rows["after"].min(), rows["after"].max()})]
    with styled():
        titles = [f"{strategy}, after {after}" for strategy, after in moments]
        figure, panels = create_panels(titles, columns=columns)
        for axes, (strategy, after) in zip(panels, moments, strict=True):
            for norm in norms:
                own = rows[(rows["norm"] == norm) & (rows["strategy"] == strategy) & (rows["after"] == after)]
                if own.empty:
                    continue
                depths, found = zip(
                    *((d, t_interval(v.to_numpy())) for d, v in own.groupby("depth")[measure]), strict=True
                )
                mean = [each.mean for each in found]
                look = looks[norm]
                axes.plot(depths, mean, color=look.color, linestyle=look.linestyle, marker=look.marker, label=norm)
                low, high = ([m + sign * e.half_width for m, e in zip(mean, found, strict=True)] for sign in (-1, 1))
                axes.fill_between(depths, low, high, color=look.color, alpha=0.15, linewidth=0)
            axes.set_xlabel("norm site, by depth")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if top > 0:
                axes.set_ylim(0, top)
        label_left(panels, MEASURES[measure])
        add_legend(figure, panels, columns=columns)
    return figure
