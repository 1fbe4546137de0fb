"""Figures of the training itself."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clnorm.figures.looks import looks_of
from clnorm.figures.means import Floats
from clnorm.figures.names import label_norms, list_norms, list_strategies, title_runs
from clnorm.figures.panels import Paged, create_panels
from clnorm.figures.style import styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDEST = 1000  # times the least loss of a panel, up to which all are told apart on an axis from 0
_MOST_TICKS = 5  # that fit a panel
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@Paged
def plot_losses(losses: pd.DataFrame, *, columns: int = 2, names: Mapping[str, str] | None = None) -> "list[Figure]":
    """The training loss of each epoch, one thin line a seed and their mean; lines part the experiences.

    A panel for each strategy. Losses of several strategies are of other sums, and compare within one alone. Where those
    of a panel span more than three decades, as when a run diverges, its axis is logarithmic, and says so.

    Args:
        losses: of `load_losses`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: there are more panels than fit a page.
    """
    from matplotlib.collections import LineCollection

    rows, titles = label_norms(losses), title_runs(losses, names)
    norms, strategies = list_norms(rows), list_strategies(rows)
    looks = looks_of(norms)
    with styled():
        panels = create_panels([titles.strategies[name] for name in strategies], columns=columns)
        for axes, strategy in zip(panels.axes, strategies, strict=True):
            of_strategy = rows[rows["strategy"] == strategy]
            for norm in norms:
                own, look = of_strategy[of_strategy["norm"] == norm], looks[norm]
                points = own[["passed", "loss"]].to_numpy()
                seeds = [points[rows] for rows in own.groupby("run").indices.values()]
                axes.add_collection(LineCollection(seeds, colors=look.color, linewidths=0.4, alpha=0.5))
                mean = own.groupby("passed")["loss"].mean()
                if len(mean):
                    axes.plot(mean.index, mean, color=look.color, linestyle=look.linestyle, label=titles.norms[norm])
            for begin in of_strategy.groupby("experience")["passed"].min().iloc[1:]:
                axes.axvline(begin - 0.5, color="#7F7F7F", linewidth=0.5, linestyle=":")
            ends = of_strategy.groupby("experience")["passed"].max().tolist()
            axes.set_xticks(ends[:: -1 * -(-len(ends) // _MOST_TICKS)])
            axes.set_ylim(bottom=0)
        panels.label(x="epochs passed", y="training loss")
        _stretch(dict(zip(strategies, panels.axes, strict=True)), rows)
        panels.add_legend()
    return panels.pages


def _stretch(axes_of: "dict[str, Axes]", rows: pd.DataFrame) -> None:
    """Logarithmic axes for the panels whose losses span many decades; then each panel says which axis it has."""
    from matplotlib.ticker import FuncFormatter

    spans = {name: _find_span(rows.loc[rows["strategy"] == name, "loss"].to_numpy(dtype=float)) for name in axes_of}
    if not any(spans.values()):
        return
    for name, axes in axes_of.items():
        if (least := spans[name]) is None:
            axes.set_ylabel("training loss")
            continue
        losses = rows.loc[rows["strategy"] == name, "loss"]
        axes.set_ylim(auto=True)
        if (losses <= 0).any():
            axes.set_yscale("symlog", linthresh=least)
        else:
            axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(_write_power))
        axes.autoscale_view(scalex=False)
        axes.set_ylabel("training loss (log scale)")


def _write_power(value: float, _: int) -> str:
    """A power of ten without the formulas that the style does not read."""
    return "0" if value == 0 else f"10{str(round(np.log10(abs(value)))).translate(_RAISED)}"


def _find_span(losses: Floats) -> float | None:
    """The least loss above 0 where some are more than `_WIDEST` times as large; None where none is."""
    above = losses[np.isfinite(losses) & (losses > 0)]
    return float(above.min()) if len(above) and above.max() > _WIDEST * above.min() else None
