"""The scale of a board's drawings: from the lowest to the highest end of all intervals, in round numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from clnorm.evaluation.stats import Interval

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
_MOST = 5  # ticks


@dataclass(frozen=True)
class Scale:
    """From values to places.

    Args:
        low: the value at the left.
        high: the value at the right.
        step: between ticks.
    """

    WIDTH: ClassVar[int] = 240
    MARGIN: ClassVar[int] = 8

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> tuple[float, ...]:
        """The values that are written at the scale."""
        count = round((self.high - self.low) / self.step)
        return tuple(round(self.low + number * self.step, 6) for number in range(count + 1))

    def place(self, value: float) -> float:
        """Where a value stands."""
        return self.MARGIN + (self.WIDTH - 2 * self.MARGIN) * (value - self.low) / (self.high - self.low)

    def ends(self, interval: Interval) -> tuple[float, float]:
        """The ends of an interval, cut where no share can be; of one without a width its mean."""
        return _ends(interval)


def make_scale(intervals: Sequence[Interval]) -> Scale | None:
    """The scale of some intervals; None where there is nothing to draw."""
    ends = [end for interval in intervals if not math.isnan(interval.mean) for end in _ends(interval)]
    if not ends:
        return None
    for step in _STEPS:
        low, high = math.floor(min(ends) / step + 1e-9), math.ceil(max(ends) / step - 1e-9)
        if high - low <= _MOST:
            break
    return Scale(round(low * step, 6), round(max(high, low + 1) * step, 6), step)


def _ends(interval: Interval) -> tuple[float, float]:
    half = 0.0 if math.isnan(interval.half_width) else interval.half_width
    return max(0.0, interval.mean - half), min(1.0, interval.mean + half)
