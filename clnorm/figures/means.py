"""Means over seeds with their intervals, of each series in each panel."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from clnorm.evaluation.stats import t_interval

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


def _part(course: list[tuple[int, float, float]]) -> Course:
    places, means, halves = zip(*course, strict=True)
    return list(places), np.array(means), np.array(halves)
