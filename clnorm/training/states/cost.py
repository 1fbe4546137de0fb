"""What a run has cost so far, experience by experience."""

import time
from typing import Any

import torch

from clnorm.environment import peak_memory_mb


class Costs:
    """The seconds and clips of each experience, those of a beginning that was taken over included.

    Attributes:
        seconds: of each experience begun so far.
        clips: that have passed the model in each of them.
        peak_memory_mb: of this run's processes.
        reused: each `experience` that another run had trained already, and the `seconds` that it took.
        earlier: the parts of the run that were made otherwise, each with `until`, where it stopped, and `versions`.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.clips: list[int] = []
        self.peak_memory_mb = 0.0
        self.reused: list[dict[str, float]] = []
        self.earlier: list[dict[str, Any]] = []
        self._since, self._counted = 0.0, 0

    def begin(self, index: int) -> None:
        """Experience `index` is trained from here on, or the rest of it."""
        for values in (self.seconds, self.clips):
            values.extend([0] * (index + 1 - len(values)))
        self._since, self._counted = time.monotonic(), 0

    def count(self, clips: int, device: torch.device) -> None:
        """Take in what came since the last time; `clips` have passed the model since the beginning."""
        now = time.monotonic()
        self.seconds[-1] += now - self._since
        self.clips[-1] += clips - self._counted
        self._since, self._counted = now, clips
        self.peak_memory_mb = max(self.peak_memory_mb, peak_memory_mb(device))

    def take_over(self, seconds: float, clips: int) -> None:
        """The experience at work begins with what cost another run this much."""
        self.reused.append({"experience": len(self.seconds) - 1, "seconds": seconds})
        self.seconds[-1] += seconds
        self.clips[-1] += clips

    def total(self) -> dict[str, float]:
        """The record's `cost`."""
        return {
            "seconds": float(sum(self.seconds)),
            "clips_trained": sum(self.clips),
            "peak_memory_mb": self.peak_memory_mb,
        }

    def state_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave.

        Raises:
            KeyError: a part is missing.
        """
        for name in self.state_dict():
            setattr(self, name, state[name])
