"""Figures of ranks: where norms stand, and how sure that is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from clnorm.errors import UserError
from clnorm.evaluation.metrics import find_metric
from clnorm.evaluation.ranks import rank_with_intervals
from clnorm.figures.looks import looks_of
from clnorm.figures.names import label_norms, list_norms, list_strategies, title_runs, wrap_name
from clnorm.figures.panels import Paged, create_panels
from clnorm.figures.style import styled
from clnorm.tables.grid import read_shares

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LETTERS, _LETTER = 20, 0.058  # letters of a line of a norm's name, and inches of one


@Paged
def plot_ranks(
    results: pd.DataFrame, *, metric: str = "accuracy", columns: int = 2, names: Mapping[str, str] | None = None
) -> "list[Figure]":
    """The rank of each norm under each strategy, with the ranks that it may truly have at 95 %, all of them together.

    Args:
        results: of `load_results`, of runs of one setting with the same three seeds or more for each norm.
        metric: that decides.
        columns: of the paper that it is wide, 1 or 2.
        names: what to call norms and strategies, by name, in place of what papers do.

    Raises:
        UserError: no run holds the metric, it is undefined or no share in one, there are too few norms or seeds, a seed
            without a partner, or more panels than fit a page.
    """
    decides = find_metric(metric, where="figure")
    held = results[(results["status"] == "finished") & (results["metric"] == decides.key)]
    if held.empty:
        hint = f"compute it from what they keep: clnorm metrics add {metric} FOLDER"
        raise UserError(f"no finished run holds {metric}", where="figure", hint=hint)
    held = held.assign(value=read_shares(held, [decides]))
    rows, titles = label_norms(held), title_runs(held, names)
    strategies, looks = list_strategies(rows), looks_of(list_norms(rows))
    rankings = {}
    for strategy in strategies:
        own = rows[rows["strategy"] == strategy]
        values = {str(norm): dict(zip(each["seed"], each["value"], strict=True)) for norm, each in own.groupby("norm")}
        try:
            rankings[strategy] = rank_with_intervals(values, higher_is_better=decides.higher_is_better)
        except UserError as error:
            raise error.within(f"{decides.title} under {strategy}") from error
    wrapped = {norm: wrap_name(titles.norms[norm], _LETTERS) for norm in looks}
    lines = [line for name in wrapped.values() for line in name.split("\n")]
    height = 0.6 + max(0.17 * len(looks), 0.125 * len(lines))
    left = 0.2 + _LETTER * max(map(len, lines))
    named = [titles.strategies[name] for name in strategies]
    with styled():
        panels = create_panels(named, columns=columns, height=height, least=left + 1.1, left=left)
        for axes, ranking in zip(panels.axes, rankings.values(), strict=True):
            for row, (norm, rank) in enumerate(ranking.ranks.items()):
                look = looks[norm]
                axes.plot([rank.best, rank.worst], [row, row], color=look.color, linewidth=1.6)
                axes.plot(
                    rank.place, row, marker=look.marker, fillstyle=look.fillstyle, color=look.color, markersize=4.5
                )
            axes.set_yticks(range(len(ranking.ranks)), [wrapped[norm] for norm in ranking.ranks])
            axes.set_xticks(range(1, len(ranking.ranks) + 1))
            axes.set_xlim(0.7, len(ranking.ranks) + 0.3)
            axes.set_ylim(len(ranking.ranks) - 0.4, -0.6)
            axes.grid(visible=True, axis="x")
            axes.grid(visible=False, axis="y")
        panels.label(x=f"rank by {decides.title}")
    return panels.pages
