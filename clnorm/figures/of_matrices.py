"""Figures of accuracy matrices: over experiences, by experience, and what was learned against what was kept."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from clnorm.errors import UserError
from clnorm.evaluation.stats import t_interval
from clnorm.figures.looks import Look, looks_of
from clnorm.figures.means import Floats, draw_course, find_courses
from clnorm.figures.names import label_norms, list_cells, list_norms, list_strategies, title_runs
from clnorm.figures.panels import Paged, create_panels
from clnorm.figures.style import styled
from clnorm.figures.whiskers import Segment, add_whiskers, mark_cuts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEYS = ["norm", "strategy", "seed"]  # of a run among those of one setting
_MOST_NUMBERED = 10  # experiences whose numbers fit a heat map
_WITH_MARKERS = (-5.0, 105.0)  # the accuracies that there can be, in %, with room for a whole marker
_FLAT = 0.5  # points below which a bar is a line at most
_DARK_GREY = "#333333"
_DARK = 0.55  # accuracies above which a heat map's numbers are white


@Paged
def plot_accuracy(
    matrices: pd.DataFrame, *, columns: int = 2, names: Mapping[str, str] | None = None
) -> "list[Figure]":
    """The accuracy on all experiences so far, weighted by their clips, after each one; a panel for each strategy.

    Lines are means over seeds, bands their 95 % Student-t intervals. What joint training reaches is a line across.

    Args:
        matrices: of `load_matrices`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: there is no run but those of joint training, or more panels than fit a page.
    """
    from matplotlib.ticker import MaxNLocator

    matrices, titles = label_norms(matrices), title_runs(matrices, names)
    seen = matrices[matrices["on"] <= matrices["after"]]
    weighted = seen.assign(right=seen["accuracy"] * seen["clips"])
    sums = weighted.groupby([*_KEYS, "after"], sort=False)[["right", "clips"]].sum()
    values = (sums["right"] / sums["clips"]).rename("value").reset_index()
    norms, strategies = _names(values)
    looks, courses = looks_of(norms), find_courses(values, along="after")
    with styled():
        panels = create_panels([titles.strategies[name] for name in strategies], columns=columns)
        for axes, strategy in zip(panels.axes, strategies, strict=True):
            for norm in norms:
                if (course := courses.get((strategy, norm))) is not None:
                    draw_course(axes, course, looks[norm], label=titles.norms[norm], scale=100)
                if (joint := courses.get(("joint", norm))) is not None and course is not None:
                    level, look = 100 * joint[1][-1], looks[norm]
                    axes.axhline(level, color=look.color, linewidth=0.8, linestyle=look.linestyle, alpha=0.6)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_ylim(0, 102)
        if "joint" in set(values["strategy"]):
            panels.axes[0].plot([], [], color="#7F7F7F", linewidth=0.8, label="joint training")
        panels.label(x="experiences learned", y="accuracy on all seen (%)")
        panels.share()
        panels.add_legend()
    return panels.pages


@Paged
def plot_forgetting(
    matrices: pd.DataFrame, *, columns: int = 2, names: Mapping[str, str] | None = None
) -> "list[Figure]":
    """How much of its best accuracy before the end each experience but the last has lost, in points.

    Bars are means over seeds, whiskers their 95 % Student-t intervals, with an arrow head where one goes beyond 100
    points; a mean that is too small for a bar is a marker. A panel for each strategy. Their mean over experiences is
    the metric forgetting.

    Args:
        matrices: of `load_matrices`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: no run has learned two experiences in turn, or there are more panels than fit a page.
    """
    lost, titles = _forgotten(matrices), title_runs(matrices, names)
    norms, strategies = _names(lost)
    looks, courses, width = looks_of(norms), find_courses(lost, along="on"), 0.8 / len(norms)
    drawn: list[list[Segment]] = []
    with styled():
        panels = create_panels([titles.strategies[name] for name in strategies], columns=columns)
        for axes, strategy in zip(panels.axes, strategies, strict=True):
            whiskers: list[Segment] = []
            for place, norm in enumerate(norms):
                if (course := courses.get((strategy, norm))) is None:
                    continue
                tested, means, halves = course
                places = np.array(tested) + (place - (len(norms) - 1) / 2) * width
                _draw_bars(axes, places, 100 * means, width, looks[norm], label=titles.norms[norm])
                ends = zip(places, 100 * (means - halves), 100 * (means + halves), strict=True)
                whiskers += [((x, low), (x, high)) for x, low, high in ends if not np.isnan(low)]
            add_whiskers(axes, whiskers, [_DARK_GREY] * len(whiskers), width=0.6)
            drawn.append(whiskers)
            axes.autoscale_view()
            axes.axhline(0, color="black", linewidth=0.6)
            axes.set_xticks(sorted(lost["on"].unique()))
        panels.label(x="experience", y="forgetting (points)")
        panels.share(y=(-102, 102))
        for axes, whiskers in zip(panels.axes, drawn, strict=True):
            mark_cuts(axes, whiskers, [_DARK_GREY] * len(whiskers))
        panels.add_legend()
    return panels.pages


def _draw_bars(axes: "Axes", places: Floats, heights: Floats, width: float, look: Look, *, label: str) -> None:
    """The bars of a norm, and its marker where a bar would not be seen."""
    axes.bar(places, heights, width, label=label, color=look.color, hatch=look.hatch, edgecolor="white", linewidth=0.4)
    if (flat := np.abs(heights) < _FLAT).any():
        mark: dict[str, Any] = {"color": look.color, "marker": look.marker, "fillstyle": look.fillstyle}
        axes.plot(places[flat], heights[flat], linestyle="", zorder=2.6, **mark)


@Paged
def plot_tradeoff(
    matrices: pd.DataFrame, *, columns: int = 1, names: Mapping[str, str] | None = None
) -> "list[Figure]":
    """What is learned against what is kept: the accuracy on each experience right after it, and on the old ones in the
    end, both means over experiences; crosses are 95 % Student-t intervals over seeds, with an arrow head where one goes
    beyond what an accuracy can be.

    Args:
        matrices: of `load_matrices`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: no run has learned two experiences in turn, or there are more panels than fit a page.
    """
    matrices, titles = label_norms(matrices), title_runs(matrices, names)
    runs = matrices[matrices.groupby(_KEYS)["after"].transform("nunique") > 1]
    learned = runs[runs["after"] == runs["on"]].groupby(_KEYS, sort=False)["accuracy"].mean()
    last = runs["after"] == runs.groupby(_KEYS)["after"].transform("max")
    kept = runs[last & (runs["on"] < runs["after"])].groupby(_KEYS, sort=False)["accuracy"].mean()
    values = pd.DataFrame({"learned": learned, "kept": kept}).reset_index()
    _require(values)
    norms, strategies = _names(values)
    looks = looks_of(norms)
    drawn: list[tuple[list[Segment], list[str]]] = []
    with styled():
        panels = create_panels([titles.strategies[name] for name in strategies], columns=columns)
        for axes, strategy in zip(panels.axes, strategies, strict=True):
            whiskers, colours = list[Segment](), list[str]()
            for norm in norms:
                own = values[(values["strategy"] == strategy) & (values["norm"] == norm)]
                if own.empty:
                    continue
                x, y = (t_interval(100 * own[name].to_numpy()) for name in ("learned", "kept"))
                look = looks[norm]
                mark: dict[str, Any] = {"color": look.color, "marker": look.marker, "fillstyle": look.fillstyle}
                axes.plot(x.mean, y.mean, linestyle="", label=titles.norms[norm], zorder=3.5, **mark)
                if len(own) > 1:
                    whiskers.append(((x.mean - x.half_width, y.mean), (x.mean + x.half_width, y.mean)))
                    whiskers.append(((x.mean, y.mean - y.half_width), (x.mean, y.mean + y.half_width)))
                    colours += [look.color] * 2
            add_whiskers(axes, whiskers, colours, width=0.7)
            drawn.append((whiskers, colours))
            axes.autoscale_view()
            axes.grid(visible=True, axis="x")
        panels.label(x="learned (%)", y="kept in the end (%)")
        panels.share(x=_WITH_MARKERS, y=_WITH_MARKERS)
        for axes, (whiskers, colours) in zip(panels.axes, drawn, strict=True):
            mark_cuts(axes, whiskers, colours)
        panels.add_legend()
    return panels.pages


@Paged
def plot_matrix(matrices: pd.DataFrame, *, columns: int = 2, names: Mapping[str, str] | None = None) -> "list[Figure]":
    """The accuracy matrix R[t, j] as a heat map, in per cent, a mean over seeds; a panel for each norm and strategy.

    Args:
        matrices: of `load_matrices`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: there are more panels than fit a page.
    """
    named, titles = label_norms(matrices), title_runs(matrices, names)
    cells = list_cells(named)
    steps = pd.RangeIndex(1, int(named["after"].max()) + 1)
    with styled():
        panels = create_panels([titles.cell(*cell) for cell in cells], columns=columns, square=True)
        for axes, (norm, strategy) in zip(panels.axes, cells, strict=True):
            own = named[(named["norm"] == norm) & (named["strategy"] == strategy)]
            table = own.pivot_table(index="after", columns="on", values="accuracy", aggfunc="mean")
            mean = table.reindex(index=steps, columns=steps).to_numpy()
            axes.imshow(mean, vmin=0, vmax=1, cmap="Blues")
            axes.grid(visible=False)
            ticks = range(0, len(steps), -(-len(steps) // _MOST_NUMBERED))
            axes.set_xticks(ticks, steps[ticks])
            axes.set_yticks(ticks, steps[ticks])
            if len(steps) <= _MOST_NUMBERED:
                _write_numbers(axes, mean)
        panels.label(x="tested on", y="after")
        if len(steps) > _MOST_NUMBERED:
            panels.add_scale("accuracy")
    return panels.pages


def _write_numbers(axes: "Axes", mean: Floats) -> None:
    for (row, column), value in np.ndenumerate(mean):
        if not np.isnan(value):
            colour = "white" if value > _DARK else "black"
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=6, color=colour)


def _forgotten(matrices: pd.DataFrame) -> pd.DataFrame:
    """max_{j <= t < T} R[t, j] - R[T, j] of each run and experience j < T, in column `value`."""
    matrices = label_norms(matrices)
    end = matrices.groupby(_KEYS)["after"].transform("max")
    old = matrices[(matrices["on"] < end) & (matrices["on"] <= matrices["after"])]
    final = old["after"] == end[old.index]
    best = old[~final].groupby([*_KEYS, "on"], sort=False)["accuracy"].max()
    lost = (best - old[final].set_index([*_KEYS, "on"])["accuracy"]).dropna().rename("value").reset_index()
    _require(lost)
    return lost


def _require(values: pd.DataFrame) -> None:
    if values.empty:
        what = "no run has learned two experiences in turn"
        raise UserError(what, where="figure", hint="train one, such as: clnorm run --strategy naive")


def _names(values: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Norms and strategies in the order of tables, but for joint training, which has no course of its own."""
    strategies = [name for name in list_strategies(values) if name != "joint"]
    if not strategies:
        what = "all runs are joint training, which learns at once"
        raise UserError(what, where="figure", hint="train another, such as: clnorm run --strategy naive")
    return list_norms(values), strategies
