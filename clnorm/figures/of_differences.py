"""The critical-difference diagram: mean ranks over blocks, and which of them cannot be told apart."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from clnorm.errors import UserError
from clnorm.evaluation.metrics import find_metric
from clnorm.evaluation.ranks import CriticalDifference, critical_difference
from clnorm.figures.names import label_norms, title_runs
from clnorm.figures.panels import Paged
from clnorm.figures.style import WIDTHS, styled
from clnorm.tables.grid import read_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SCALE, _ROW, _BAR = 0.42, 0.16, 0.09  # inches from the top to the scale, between two names, between two bars
_LETTER = 0.063  # inches
_BEYOND = 0.04  # of the scale, by which the line to a name goes beyond it


@Paged
def plot_differences(
    results: pd.DataFrame, *, metric: str = "accuracy", columns: int = 2, names: Mapping[str, str] | None = None
) -> "list[Figure]":
    """The mean rank of each norm over blocks, with bars that join those that Nemenyi's test cannot tell apart.

    A block is a strategy in a setting, such as a protocol, an order of the classes or a backbone; its seeds are
    averaged first.

    Args:
        results: of `load_results`, with the same norms and seeds in each block.
        metric: that decides.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: no run holds the metric, it is no share in one, a block lacks a norm or a seed, or there are too few
            blocks or norms.

    Source: Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006.
    """
    decides = find_metric(metric, where="figure")
    if columns not in WIDTHS:
        raise UserError(f"{columns} is not legal", where="columns", legal=map(str, WIDTHS))
    held = results[(results["status"] == "finished") & (results["metric"] == decides.key)]
    if held.empty:
        hint = f"compute it from what they keep: clnorm metrics add {metric} FOLDER"
        raise UserError(f"no finished run holds {metric}", where="figure", hint=hint)
    held = held.assign(value=read_shares(held, [decides]))
    rows = pd.concat([label_norms(own) for _, own in held.groupby("setting", sort=True)])
    found = critical_difference(_average_seeds(rows), higher_is_better=decides.higher_is_better)
    label, titles = f"mean rank by {decides.title} over {found.blocks} blocks", title_runs(held, names).norms
    return [_draw(found, label, titles, columns=columns)]


def _average_seeds(rows: pd.DataFrame) -> list[dict[str, float]]:
    """The mean of each norm in each block.

    Raises:
        UserError: a norm is not in a block.
    """
    blocks, norms = [], sorted(rows["norm"].unique())
    for (setting, strategy), block in rows.groupby(["setting", "strategy"], sort=True):
        means = block.groupby("norm")["value"].mean()
        if lacking := [norm for norm in norms if norm not in means]:
            what = f"{', '.join(lacking)} has no finished run with {strategy} in the setting {setting}"
            raise UserError(what, where="blocks", hint="run it, or leave it out with --where")
        blocks.append({norm: float(means[norm]) for norm in norms})
    return blocks


def _draw(found: CriticalDifference, label: str, titles: Mapping[str, str], *, columns: int) -> "Figure":
    from matplotlib.figure import Figure

    count = len(found.ranks)
    bars = [group for group in found.groups if len(group) > 1]
    left, right = list(found.ranks.items())[: (count + 1) // 2], list(found.ranks.items())[(count + 1) // 2 :][::-1]
    below = _BAR * (len(bars) + 1)
    height = _SCALE + below + _ROW * len(left) + 0.35
    with styled():
        figure = Figure(figsize=(WIDTHS[columns], height))
        margin = _find_margin(max((titles[name] for name in found.ranks), key=len), columns)
        axes = figure.add_axes((margin, 0.0, 1 - 2 * margin, 1.0))
        axes.set_axis_off()
        axes.set_xlim(1, count)
        axes.set_ylim(-height, 0.0)  # inches
        axes.text((1 + count) / 2, -0.03, label, ha="center", va="top")
        _draw_scale(axes, count)
        for index, group in enumerate(bars):
            ends = [found.ranks[name] for name in (group[0], group[-1])]
            depth = -_SCALE - _BAR * (index + 1)
            axes.plot([ends[0] - 0.03, ends[1] + 0.03], [depth, depth], color="#000000", linewidth=2.4, clip_on=False)
        for side, names, beyond in (("right", left, -_BEYOND), ("left", right, 1 + _BEYOND)):
            for row, (name, rank) in enumerate(names):
                depth = -_SCALE - below - _ROW * (row + 0.5)
                edge = 1 + beyond * (count - 1)
                axes.plot([rank, rank, edge], [-_SCALE, depth, depth], color="#555555", linewidth=0.7, clip_on=False)
                axes.text(edge, depth, f" {titles[name]}  {rank:.2f} ", ha=side, va="center")
        _draw_difference(axes, found, 0.12 - height)
    return figure


def _find_margin(longest: str, columns: int) -> float:
    """The share of the width that names and their ranks need on each side.

    Raises:
        UserError: nothing would be left for the scale.
    """
    share = (_LETTER * (len(longest) + 9) / WIDTHS[columns] + _BEYOND) / (1 + 2 * _BEYOND)
    if share > 0.42:
        hint = "leave it out with --where" if columns == max(WIDTHS) else f"give it --columns {max(WIDTHS)}"
        raise UserError(f"{longest!r} is too long a name for its width", where="figure", hint=hint)
    return share


def _draw_scale(axes: "Axes", count: int) -> None:
    axes.plot([1, count], [-_SCALE, -_SCALE], color="#000000", linewidth=0.8, clip_on=False)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [-_SCALE, 0.05 - _SCALE], color="#000000", linewidth=0.8, clip_on=False)
        axes.text(rank, 0.07 - _SCALE, str(rank), ha="center", va="bottom", fontsize=7)


def _draw_difference(axes: "Axes", found: CriticalDifference, depth: float) -> None:
    """The critical difference as a length of the scale, with what it is."""
    end = 1 + found.difference
    axes.plot([1, end], [depth, depth], color="#000000", linewidth=0.8, marker="|", clip_on=False)
    text = f"critical difference {found.difference:.2f}; all alike: p = {found.p:.2g}"
    axes.text(1, depth + 0.03, text, ha="left", va="bottom", fontsize=7)
