"""The figures by name: what each shows, what it is drawn from, and what draws it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from clnorm.figures.of_matrices import plot_accuracy, plot_forgetting, plot_matrix, plot_tradeoff
from clnorm.figures.of_ranks import plot_ranks
from clnorm.results.load import load_results
from clnorm.results.matrices import load_matrices

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Kind:
    """One kind of figure.

    Args:
        text: what it shows, in a line.
        load: from a folder of runs to the frame that it is drawn from.
        draw: from that frame and the paper's columns, 1 or 2, to the figure.
        by_metric: whether it is of one metric, which `draw` takes by that name.
    """

    text: str
    load: "Callable[..., pd.DataFrame]"
    draw: "Callable[..., Figure]"
    by_metric: bool = False


def _results(folder: str, **given: Any) -> "pd.DataFrame":
    return load_results(folder, columns=["config"], **given)


FIGURES = MappingProxyType(
    {
        "accuracy": Kind("accuracy on all experiences so far, after each one", load_matrices, plot_accuracy),
        "forgetting": Kind("what each experience has lost in the end", load_matrices, plot_forgetting),
        "matrix": Kind("the accuracy matrix as a heat map", load_matrices, plot_matrix),
        "ranks": Kind("ranks of the norms with their intervals", _results, plot_ranks, by_metric=True),
        "tradeoff": Kind("what is learned against what is kept", load_matrices, plot_tradeoff),
    }
)
