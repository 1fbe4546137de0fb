"""The figures by name: what each shows, what it is drawn from, and what draws it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from clnorm.figures.of_confusion import plot_confusion
from clnorm.figures.of_differences import plot_differences
from clnorm.figures.of_explanations import plot_explanation
from clnorm.figures.of_losses import plot_losses
from clnorm.figures.of_matrices import plot_accuracy, plot_forgetting, plot_matrix, plot_tradeoff
from clnorm.figures.of_ranks import plot_ranks
from clnorm.figures.of_sites import plot_sites
from clnorm.figures.panels import Paged
from clnorm.results.frames.confusion import load_confusion
from clnorm.results.frames.explanations import load_explanations
from clnorm.results.frames.finished import OnLacking, OnUnreadable
from clnorm.results.frames.losses import load_losses
from clnorm.results.frames.matrices import load_matrices
from clnorm.results.frames.sites import load_sites
from clnorm.results.load import load_results

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Kind:
    """One kind of figure.

    Args:
        text: what it shows, in a line.
        load: from a folder of runs to the frame that it is drawn from; told of runs that cannot be read or lack it.
        draw: from that frame, the paper's columns, 1 or 2, and what to call things, to the figure or its pages.
        option: what it is of, `metric` or `measure`, which `draw` takes by that name; empty where there is nothing to
            choose.
        settings: whether runs of several settings may be in it, since it compares within each alone.
    """

    text: str
    load: "Callable[..., pd.DataFrame]"
    draw: Paged[...]
    option: str = ""
    settings: bool = False


def _matrices(folder: str, *, on_unreadable: OnUnreadable, on_lacking: OnLacking) -> "pd.DataFrame":
    del on_lacking  # every record has its matrix
    return load_matrices(folder, on_unreadable=on_unreadable)


def _results(folder: str, *, on_unreadable: OnUnreadable, on_lacking: OnLacking) -> "pd.DataFrame":
    del on_lacking
    return load_results(folder, columns=["config"], on_unreadable=on_unreadable)


FIGURES = MappingProxyType(
    {
        "accuracy": Kind("accuracy on all experiences so far, after each one", _matrices, plot_accuracy),
        "confusion": Kind("which class is taken for which in the end", load_confusion, plot_confusion),
        "differences": Kind(
            "mean ranks over blocks, with the critical difference",
            _results,
            plot_differences,
            option="metric",
            settings=True,
        ),
        "explain": Kind("where forgetting lives: statistics, head, features", load_explanations, plot_explanation),
        "forgetting": Kind("what each experience has lost in the end", _matrices, plot_forgetting),
        "loss": Kind("the training loss of each epoch", load_losses, plot_losses),
        "matrix": Kind("the accuracy matrix as a heat map", _matrices, plot_matrix),
        "ranks": Kind("ranks of the norms with their intervals", _results, plot_ranks, option="metric"),
        "sites": Kind("plasticity and drift at the norm sites, by depth", load_sites, plot_sites, option="measure"),
        "tradeoff": Kind("what is learned against what is kept", _matrices, plot_tradeoff),
    }
)
