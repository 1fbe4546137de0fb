"""Avalanche's loop over the epochs of an experience, which can be left after any step and taken up there again."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from clnorm.training.accumulation import AccumulatingTemplate
from clnorm.training.epochs import Epochs
from clnorm.training.monitor import MonitorPlugin
from clnorm.training.norms.statistics import StatisticsPlugin
from clnorm.training.processes import collect_rows, draws_together


class ResumingTemplate(AccumulatingTemplate):
    """A strategy that can begin within an experience, at a position that it stood at before, with the same result.

    The hooks before training, before the experience and before its epoch run again; then all that they changed is
    replaced by what was kept, so that a method keeps in `state_dict` whatever its hooks draw or copy.

    Attributes:
        on_step: called after each step, with the strategy standing between two steps.
    """

    dataloader: Epochs
    scheduler: LRScheduler
    scaler: torch.amp.GradScaler
    statistics: StatisticsPlugin
    monitor: MonitorPlugin
    _stop_training: bool
    on_step: Callable[[], None] | None = None
    _begun: dict[str, Any] | None = None

    @property
    def index(self) -> int:
        """The experience in training, from 0."""
        return int(self.experience.current_experience)

    @property
    def epoch(self) -> int:
        """The epoch of the experience in training, from 0."""
        return int(self.clock.train_exp_epochs)

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What does not begin anew with each experience: tensors, numbers and texts only."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave; strategy and model must be built alike."""

    def position(self) -> dict[str, Any]:
        """Where the strategy stands within the experience in training, between two steps, with its state."""
        on_gpu = self.device.type == "cuda"
        return {
            "strategy": self.state_dict(),
            "epoch": self.clock.train_exp_epochs,
            "step": self.clock.train_epoch_iterations,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "dropout": collect_rows(
                torch.cuda.get_rng_state(self.device) if on_gpu else torch.get_rng_state(), self.ranks
            ),
            "epochs": self.dataloader.state_dict(),
            "monitor": self.monitor.state_dict(),
        }

    def begin_at(self, position: dict[str, Any] | None) -> None:
        """Have the next experience that is trained begin at a position, not at its start."""
        self._begun = position

    def after_step(self) -> None:
        if self.on_step is not None:
            self.on_step()

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        if self._begun is not None:
            self.clock.train_exp_epochs = self._begun["epoch"]
        while self.clock.train_exp_epochs < self.train_epochs:
            self._before_training_epoch(**kwargs)
            if self._stop_training:  # by a plug-in
                self._stop_training = False
                break
            if self._begun is not None:
                self._take_up(self._begun)
            self.training_epoch(**kwargs)
            self._after_training_epoch(**kwargs)

    def _take_up(self, position: dict[str, Any]) -> None:
        self._begun = None
        # What the position leaves open is as this strategy has it: another one's training can lead to it.
        self.load_state_dict({**self.state_dict(), **position["strategy"]})
        self.optimizer.load_state_dict(position["optimizer"])
        self.scheduler.load_state_dict(position["schedule"])
        self.scaler.load_state_dict(position["scaler"])
        self._take_up_draws(position["dropout"])
        self.dataloader.load_state_dict(position["epochs"], epoch=position["epoch"], step=position["step"])
        self.monitor.load_state_dict(position["monitor"])
        self.statistics.done += self.clock.train_exp_iterations

    def _take_up_draws(self, kept: Tensor) -> None:
        """The generator of this process; one that there was none of before begins as it would have begun."""
        rows = kept.reshape(-1, kept.shape[-1])
        if draws_together(self.model):
            row = rows[0]
        elif self.ranks.rank < len(rows):
            row = rows[self.ranks.rank]
        else:
            return
        row = row.clone()  # torch reads a view from its storage's beginning
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(row, self.device)
        else:
            torch.set_rng_state(row)
