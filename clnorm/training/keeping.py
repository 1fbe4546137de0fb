"""When the state of a run is kept, and what of its cost: after each experience, and within one every so often."""

import time
from typing import Any

from clnorm.config.sections import SaveConfig
from clnorm.environment import peak_memory_mb
from clnorm.results.folder import RunFolder
from clnorm.training.stopping import StoppedError, StopRequest
from clnorm.training.trainer import ClipStrategy

NO_COST = {"seconds": 0.0, "clips_trained": 0, "peak_memory_mb": 0.0}


class Keeper:
    """Keeps a run's state in its folder.

    Args:
        strategy: which trains.
        folder: of the run.
        cost: of what is done already.
        request: asks the run to stop.

    Attributes:
        total: the cost of all experiences that are finished.
    """

    def __init__(self, strategy: ClipStrategy, folder: RunFolder, cost: dict[str, float], request: StopRequest) -> None:
        self.total = cost
        self._strategy, self._folder, self._request = strategy, folder, request
        self._save: SaveConfig = strategy.setup.config.save
        self._started = self._kept = time.monotonic()
        strategy.on_step = self._after_step

    def start(self) -> None:
        """An experience begins, or the rest of one."""
        self._started = time.monotonic()
        self._strategy.monitor.clips_trained = 0

    def cost(self) -> dict[str, float]:
        """Of all so far."""
        return {
            "seconds": self.total["seconds"] + time.monotonic() - self._started,
            "clips_trained": self.total["clips_trained"] + self._strategy.monitor.clips_trained,
            "peak_memory_mb": max(self.total["peak_memory_mb"], peak_memory_mb(self._strategy.device)),
        }

    def finish(self, index: int) -> None:
        """Experience `index` is trained and its clips predicted.

        Raises:
            StoppedError: the run was asked to stop.
        """
        self.total = self.cost()
        self._keep({"done": index + 1, "strategy": self._strategy.state_dict(), "cost": self.total})
        if self._request.name and index + 1 < len(self._strategy.training_stream.experiences):
            raise _stopped(self._request.name, f"the start of experience {index + 2}")

    def _after_step(self) -> None:
        strategy = self._strategy
        last = strategy.clock.train_epoch_iterations == strategy.lengths.steps_per_epoch(strategy.index)
        by_epoch = last and self._save.epochs and (strategy.epoch + 1) % self._save.epochs == 0
        by_time = self._save.minutes and time.monotonic() - self._kept >= 60 * self._save.minutes
        asked = self._request.name  # a signal may come at any moment: what is told must have been kept
        if by_epoch or by_time or asked:
            self._keep({"done": strategy.index, "position": strategy.position(), "cost": self.cost()})
        if asked:
            place = f"experience {strategy.index + 1}, epoch {strategy.epoch + 1}"
            raise _stopped(asked, f"{place}, step {strategy.clock.train_epoch_iterations}")

    def _keep(self, state: dict[str, Any]) -> None:
        self._folder.state.save({"run": self._folder.path.name, **state})
        self._kept = time.monotonic()


def _stopped(signal: str, place: str) -> StoppedError:
    hint = "give the same command again, which goes on from here"
    return StoppedError(f"stopped by {signal} at {place}; its state is kept", hint=hint)
