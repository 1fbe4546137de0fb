"""Whiskers of intervals, and what would not be seen of them: ends beyond the axes, and bars of no height."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point: TypeAlias = tuple[float, float]
Segment: TypeAlias = tuple[Point, Point]
"""The two ends of a whisker, the lesser one first."""

_CUT: dict[str, Any] = {"linestyle": "", "markersize": 2.5, "markeredgewidth": 0, "clip_on": False, "zorder": 4}


def add_whiskers(axes: "Axes", segments: Sequence[Segment], colors: Sequence[str], *, width: float) -> None:
    """Draw whiskers, each in a colour."""
    from matplotlib.collections import LineCollection

    axes.add_collection(LineCollection(list(segments), colors=list(colors), linewidths=width, zorder=3))


def mark_cuts(axes: "Axes", segments: Sequence[Segment], colors: Sequence[str]) -> None:
    """An arrow head at the edge wherever a whisker goes on beyond it, once the axes have their limits."""
    edges = axes.get_xlim(), axes.get_ylim()
    heads = (("<", ">"), ("v", "^"))
    for segment, color in zip(segments, colors, strict=True):
        for end, (axis, limits) in ((end, each) for end in (0, 1) for each in enumerate(edges)):
            point = list(segment[end])
            if (point[axis] < limits[0], point[axis] > limits[1])[end] and _is_within(segment, 1 - axis, edges):
                point[axis] = limits[end]
                axes.plot(*point, marker=heads[axis][end], color=color, scalex=False, scaley=False, **_CUT)


def _is_within(segment: Segment, axis: int, edges: tuple[Point, Point]) -> bool:
    """Whether a whisker along the other axis stands between the limits of this one."""
    return edges[axis][0] <= segment[0][axis] == segment[1][axis] <= edges[axis][1]
