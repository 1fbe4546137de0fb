"""Figures of accuracy matrices: over experiences, by experience, and what was learned against what was kept."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clnorm.errors import UserError
from clnorm.evaluation.stats import Interval, t_interval
from clnorm.figures.names import label_norms, list_cells, list_norms, list_strategies
from clnorm.figures.style import Look, add_legend, create_panels, label_left, looks_of, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEYS = ["norm", "strategy", "seed"]  # of a run among those of one setting
_DARK = 0.55  # accuracies above which a heat map's numbers are white


def plot_accuracy(matrices: pd.DataFrame, *, columns: int = 2) -> "Figure":
    """The accuracy on all experiences so far, weighted by their clips, after each one; a panel for each strategy.

    Lines are means over seeds, bands their 95 % Student-t intervals. What joint training reaches is a line across.

    Args:
        matrices: of `load_matrices`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.

    Raises:
        UserError: there is no run but those of joint training, or more panels than fit a page.
    """
    from matplotlib.ticker import MaxNLocator

    matrices = label_norms(matrices)
    seen = matrices[matrices["on"] <= matrices["after"]]
    weighted = seen.assign(right=seen["accuracy"] * seen["clips"])
    sums = weighted.groupby([*_KEYS, "after"], sort=False)[["right", "clips"]].sum()
    values = (sums["right"] / sums["clips"]).rename("value").reset_index()
    norms, strategies = _names(values)
    looks, joint = looks_of(norms), values[values["strategy"] == "joint"]
    with styled():
        figure, panels = create_panels(strategies, columns=columns)
        for axes, strategy in zip(panels, strategies, strict=True):
            for norm, own in _by_norm(values[values["strategy"] == strategy], norms):
                steps, found = zip(*_intervals(own, by="after"), strict=True)
                _draw_band(axes, steps, found, looks[norm], label=norm)
                for _, upper in _by_norm(joint, [norm]):
                    level = 100 * float(upper["value"].mean())
                    axes.axhline(
                        level, color=looks[norm].color, linewidth=0.8, linestyle=looks[norm].linestyle, alpha=0.6
                    )
            axes.set_xlabel("experiences learned")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_ylim(0, 102)
        label_left(panels, "accuracy on all seen (%)")
        add_legend(figure, panels, columns=columns)
    return figure


def plot_forgetting(matrices: pd.DataFrame, *, columns: int = 2) -> "Figure":
    """How much of its best accuracy before the end each experience but the last has lost, in points.

    Bars are means over seeds, whiskers their 95 % Student-t intervals; a panel for each strategy. Their mean over
    experiences is the metric forgetting.

    Args:
        matrices: of `load_matrices`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.

    Raises:
        UserError: no run has learned two experiences in turn, or there are more panels than fit a page.
    """
    lost = _forgotten(matrices)
    norms, strategies = _names(lost)
    looks, width = looks_of(norms), 0.8 / len(norms)
    with styled():
        figure, panels = create_panels(strategies, columns=columns)
        for axes, strategy in zip(panels, strategies, strict=True):
            for place, norm in enumerate(norms):
                own = lost[(lost["strategy"] == strategy) & (lost["norm"] == norm)]
                for tested, interval in _intervals(own, by="on"):
                    whisker = 0.0 if np.isnan(interval.half_width) else 100 * interval.half_width
                    axes.bar(
                        tested + (place - (len(norms) - 1) / 2) * width,
                        100 * interval.mean,
                        width,
                        yerr=whisker or None,
                        color=looks[norm].color,
                        hatch=("", "///", "...", "xxx")[place % 4],
                        edgecolor="white",
                        linewidth=0.4,
                        error_kw={"elinewidth": 0.6},
                        label=norm if tested == 1 else None,
                    )
            axes.set_xlabel("experience")
            axes.set_xticks(sorted(lost["on"].unique()))
        label_left(panels, "forgetting (points)")
        add_legend(figure, panels, columns=columns)
    return figure


def plot_tradeoff(matrices: pd.DataFrame, *, columns: int = 1) -> "Figure":
    """What is learned against what is kept: the accuracy on each experience right after it, and on the old ones in the
    end, both means over experiences; crosses are 95 % Student-t intervals over seeds.

    Args:
        matrices: of `load_matrices`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.

    Raises:
        UserError: no run has learned two experiences in turn, or there are more panels than fit a page.
    """
    matrices = label_norms(matrices)
    runs = matrices[matrices.groupby(_KEYS)["after"].transform("nunique") > 1]
    learned = runs[runs["after"] == runs["on"]].groupby(_KEYS, sort=False)["accuracy"].mean()
    last = runs["after"] == runs.groupby(_KEYS)["after"].transform("max")
    kept = runs[last & (runs["on"] < runs["after"])].groupby(_KEYS, sort=False)["accuracy"].mean()
    values = pd.DataFrame({"learned": learned, "kept": kept}).reset_index()
    _require(values)
    norms, strategies = _names(values)
    looks = looks_of(norms)
    with styled():
        figure, panels = create_panels(strategies, columns=columns, height=2.1)
        for axes, strategy in zip(panels, strategies, strict=True):
            for norm, own in _by_norm(values[values["strategy"] == strategy], norms):
                x, y = (t_interval(100 * own[name].to_numpy()) for name in ("learned", "kept"))
                across, along = (found.half_width if found.n > 1 else None for found in (x, y))
                look = looks[norm]
                axes.errorbar(
                    x.mean,
                    y.mean,
                    xerr=across,
                    yerr=along,
                    fmt=look.marker,
                    color=look.color,
                    elinewidth=0.7,
                    label=norm,
                )
            axes.set_xlabel("learned (%)")
        label_left(panels, "kept in the end (%)")
        add_legend(figure, panels, columns=columns)
    return figure


def plot_matrix(matrices: pd.DataFrame, *, columns: int = 2) -> "Figure":
    """The accuracy matrix R[t, j] as a heat map, in per cent, a mean over seeds; a panel for each norm and strategy.

    Args:
        matrices: of `load_matrices`, of runs of one setting.
        columns: of the paper that it is wide, 1 or 2.

    Raises:
        UserError: there are more panels than fit a page.
    """
    named = label_norms(matrices)
    cells = list_cells(named)
    with styled():
        figure, panels = create_panels([f"{n}, {s}" for n, s in cells], columns=columns, height=2.0, share=False)
        for axes, (norm, strategy) in zip(panels, cells, strict=True):
            own = named[(named["norm"] == norm) & (named["strategy"] == strategy)]
            mean = own.pivot_table(index="after", columns="on", values="accuracy", aggfunc="mean")
            axes.imshow(mean, vmin=0, vmax=1, cmap="Blues")
            axes.grid(visible=False)
            axes.set_xticks(range(mean.shape[1]), mean.columns)
            axes.set_yticks(range(len(mean)), mean.index)
            if mean.shape[1] <= 10:
                for (row, column), value in np.ndenumerate(mean.to_numpy()):
                    if not np.isnan(value):
                        colour = "white" if value > _DARK else "black"
                        text = f"{100 * value:.0f}"
                        axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
            axes.set_xlabel("tested on")
            axes.set_ylabel("after")
    return figure


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


def _by_norm(values: pd.DataFrame, norms: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    for norm in norms:
        own = values[values["norm"] == norm]
        if len(own):
            yield norm, own


def _intervals(values: pd.DataFrame, *, by: str) -> Iterator[tuple[int, Interval]]:
    for place, own in values.groupby(by):
        yield int(str(place)), t_interval(own["value"].to_numpy())


def _draw_band(axes: "Axes", steps: Sequence[int], found: Sequence[Interval], look: Look, *, label: str) -> None:
    mean = np.array([100 * each.mean for each in found])
    half = np.array([100 * each.half_width for each in found])
    axes.plot(steps, mean, color=look.color, marker=look.marker, linestyle=look.linestyle, label=label)
    if not np.isnan(half).any():
        axes.fill_between(steps, mean - half, mean + half, color=look.color, alpha=0.15, linewidth=0)
