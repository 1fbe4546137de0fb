"""Means over seeds with their intervals, of each series in each panel."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from clnorm.evaluation.stats import t_interval
from clnorm.figures.looks import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]
Course = tuple[list[int], Floats, Floats]
"""Places, the means there, and the half widths of their intervals, which are NaN for one seed."""


def find_courses(
    values: pd.DataFrame, *, along: str, value: str = "value", by: Sequence[str] = ("strategy", "norm")
) -> dict[tuple[Any, ...], Course]:
    """The means over seeds and their 95 % Student-t intervals of each series along a column of whole numbers.

    Args:
        values: a row for each seed and place of each series.
        along: the column of the places.
        value: the column that is averaged.
        by: the columns that tell series apart.
    """
    found: dict[tuple[Any, ...], list[tuple[int, float, float]]] = {}
    for key, of_seeds in values.groupby([*by, along], sort=True)[value]:
        *series, place = cast("tuple[Any, ...]", key)
        interval = t_interval(of_seeds.to_numpy(dtype=np.float64))
        found.setdefault(tuple(series), []).append((int(place), interval.mean, interval.half_width))
    return {series: _part(course) for series, course in found.items()}


def draw_course(
    axes: "Axes", course: Course, look: Look, *, label: str, scale: float = 1.0, markersize: float | None = None
) -> None:
    """The means as a line with marks, their intervals as a band, where there are some.

    Args:
        axes: where to draw.
        course: as `find_courses` has it.
        look: of the norm.
        label: in the legend.
        scale: what means and half widths are multiplied by.
        markersize: in points; None is the style's.
    """
    places, mean, half = course[0], scale * course[1], scale * course[2]
    axes.plot(
        places,
        mean,
        color=look.color,
        marker=look.marker,
        markersize=markersize,
        fillstyle=look.fillstyle,
        linestyle=look.linestyle,
        label=label,
    )
    if not np.isnan(half).any():
        axes.fill_between(places, mean - half, mean + half, color=look.color, alpha=0.15, linewidth=0)


def _part(course: list[tuple[int, float, float]]) -> Course:
    places, means, halves = zip(*course, strict=True)
    return list(places), np.array(means), np.array(halves)
