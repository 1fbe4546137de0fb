"""Figures of norm sites: plasticity and drift along the depth of the model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from clnorm.errors import UserError
from clnorm.figures.looks import looks_of
from clnorm.figures.means import draw_course, find_courses
from clnorm.figures.names import label_norms, list_norms, list_strategies, title_runs
from clnorm.figures.panels import Paged, create_panels
from clnorm.figures.style import styled

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


@Paged
def plot_sites(
    sites: pd.DataFrame, *, measure: str = "effective_rank", columns: int = 2, names: Mapping[str, str] | None = None
) -> "list[Figure]":
    """A measure at each norm site along the depth of the model, after the first experience and after the last.

    A panel for each strategy and moment; lines are means over seeds, bands their 95 % Student-t intervals, which are
    cut below 0 and where they would make the lines flat. Norms of which the measure is undefined are not drawn.

    Args:
        sites: of `load_sites`, of runs of one setting.
        measure: a column of `plasticity.parquet`.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: there is no such measure, it is nowhere defined, or there are more panels than fit a page.
    """
    from matplotlib.ticker import MaxNLocator

    if measure not in MEASURES:
        raise UserError(f"there is no {measure!r}", where="measure", legal=MEASURES, given=measure)
    rows, titles = label_norms(sites[sites[measure].notna()]), title_runs(sites, names)
    if rows.empty:
        raise UserError(f"{measure} is defined at no site", where="measure", hint="drift needs a second experience")
    norms, strategies = list_norms(rows), list_strategies(rows)
    courses = find_courses(rows, along="depth", value=measure, by=("strategy", "after", "norm"))
    looks, top = looks_of(norms), _ROOM * max(means.max() for _, means, _ in courses.values())
    moments = [(s, t) for s in strategies for t in sorted({rows["after"].min(), rows["after"].max()})]
    with styled():
        panels = create_panels(
            [f"{titles.strategies[strategy]}, after {after}" for strategy, after in moments], columns=columns
        )
        for axes, (strategy, after) in zip(panels.axes, moments, strict=True):
            for norm in norms:
                if (course := courses.get((strategy, after, norm))) is None:
                    continue
                draw_course(axes, course, looks[norm], label=titles.norms[norm], markersize=2.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if top > 0:
                axes.set_ylim(0, top)
        panels.label(x="norm site, by depth", y=MEASURES[measure])
        panels.share()
        panels.add_legend()
    return panels.pages
