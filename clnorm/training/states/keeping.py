"""When the state of a run is kept in its folder: after each experience, within one every so often, and on a signal."""

import time
from typing import Any

from clnorm.environment import read_versions
from clnorm.results.folder import RunFolder
from clnorm.training.evaluating.findings import Findings, evaluated_as
from clnorm.training.states.cost import Costs
from clnorm.training.states.stopping import SIGNALS, StoppedError, StopRequest
from clnorm.training.trainer import ClipStrategy


class Keeper:
    """Keeps a run's state.

    Args:
        strategy: which trains.
        folder: of the run.
        costs: of the run so far.
        request: asks the run to stop.
        findings: of the run's evaluations so far.
    """

    def __init__(
        self, strategy: ClipStrategy, folder: RunFolder, costs: Costs, request: StopRequest, *, findings: Findings
    ) -> None:
        self.costs, self._findings = costs, findings
        self._strategy, self._folder, self._request = strategy, folder, request
        self._save, self._versions = strategy.setup.config.save, read_versions(strategy.device)
        self._kept = time.monotonic()

    def begin(self, index: int) -> None:
        """Experience `index` is trained from here on, or the rest of it."""
        self.costs.begin(index)
        self._strategy.monitor.clips_trained = 0

    def after_step(self) -> None:
        """A step is done: keep the state where it is time to, and before fine-tuning, within which none is kept.

        Raises:
            StoppedError: the run was asked to stop.
        """
        strategy = self._strategy
        ends = strategy.ends_training and strategy.lengths.fine_tuning_steps(strategy.index)
        epochs, minutes = self._save.every_epochs, self._save.every_minutes
        by_epoch = epochs and strategy.ends_epoch and (strategy.epoch + 1) % epochs == 0
        by_time = minutes and time.monotonic() - self._kept >= 60 * minutes
        # A signal may come at any moment, and the clocks of several processes differ: all do what one is to do.
        due, asked = self._agree(due=bool(by_epoch or by_time or ends))
        if not (due or asked):
            return
        step = strategy.clock.train_epoch_iterations
        place = f"experience {strategy.index + 1}, epoch {strategy.epoch + 1}, step {step}"
        self._keep(place, done=strategy.index, position=strategy.position())
        if asked:
            raise _stopped(asked, place)

    def stop_fine_tuning(self) -> None:
        """A step of fine-tuning is done; the state before it is kept.

        Raises:
            StoppedError: the run was asked to stop.
        """
        _, asked = self._agree(due=False)
        if asked:
            raise _stopped(asked, f"the fine-tuning after experience {self._strategy.index + 1}")

    def finish(self, index: int) -> None:
        """Experience `index` is trained and its clips are predicted: keep the state.

        Raises:
            StoppedError: the run was asked to stop.
        """
        (_, asked), place = self._agree(due=True), f"the end of experience {index + 1}"
        self._keep(place, done=index + 1, strategy=self._strategy.state_dict())
        if asked and index + 1 < len(self._strategy.training_stream.experiences):
            raise _stopped(asked, place)

    def stop_if_asked(self) -> None:
        """Nothing of this experience is done yet.

        Raises:
            StoppedError: the run was asked to stop.
        """
        if self._request.name:
            raise _stopped(self._request.name, f"the start of experience {len(self.costs.seconds)}")

    def _agree(self, *, due: bool) -> tuple[bool, str]:
        """Whether any process is to keep the state, and the signal that any of them was asked to stop by, or empty."""
        number = SIGNALS.index(self._request.name) + 2 if self._request.name else int(due)
        agreed = self._strategy.ranks.largest(number)
        return agreed > 0, SIGNALS[agreed - 2] if agreed > 1 else ""

    def _keep(self, place: str, **state: Any) -> None:
        self.costs.count(self._strategy.monitor.clips_trained, self._strategy.device)
        held = {
            "run": self._folder.path.name,
            "stream": self._strategy.training_stream.digests,
            "clips": describe_clips(self._strategy),
            "names": name_parts(self._strategy),
            "costs": self.costs.state_dict(),
            "evaluated": evaluated_as(self._strategy.setup.config.eval),
            "findings": self._findings.state_dict(),
            "made": {"until": place, "versions": self._versions},
        }
        self._folder.state.save({**held, **state}, forever=self._save.experiences and "position" not in state)
        self._kept = time.monotonic()


def name_parts(strategy: ClipStrategy) -> dict[str, str]:
    """What a run that branches off must have in common with this one; options may differ."""
    config = strategy.setup.config
    return {kind: getattr(config, kind).name for kind in ("norm", "strategy", "backbone")}


def describe_clips(strategy: ClipStrategy) -> list[str | int]:
    """What the clips of a run are: the content of all files, and the size in which they are read."""
    store = strategy.setup.store
    return [store.content, store.frames, store.size]


def _stopped(signal: str, place: str) -> StoppedError:
    return StoppedError(f"stopped by {signal} at {place}; its state is kept")
