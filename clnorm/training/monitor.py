"""The plug-in that watches training: progress, one log record an epoch, and a stop at a loss that is not finite."""

import math
import time
from typing import Any

import torch
from avalanche.core import SupervisedPlugin

from clnorm.errors import ClnormError
from clnorm.norms.finite import find_nonfinite_site
from clnorm.training.plugin import Training


class MonitorPlugin(SupervisedPlugin, supports_distributed=True):  # type: ignore[call-arg]
    """Counts clips and averages the loss of each epoch without reading it from the device at every step.

    Attributes:
        clips_trained: clips that have passed the model in training, those from memory included.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clips_trained = 0

    def state_dict(self) -> dict[str, Any]:
        """What is known of the epoch that runs."""
        return {"clips": self._clips, "loss": self._loss}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what is known of an epoch that was begun before; its rate counts from here."""
        self._clips, self._begun = state["clips"], state["clips"]
        self._loss.copy_(state["loss"])

    def before_training_epoch(self, strategy: Training, **kwargs: Any) -> None:
        self._started, self._clips, self._begun = time.perf_counter(), 0, 0
        self._loss = torch.zeros(1, device=strategy.device)

    def before_backward(self, strategy: Training, **kwargs: Any) -> None:
        """Stop while the weights can still tell which norm failed; a GPU is asked in an epoch's first steps alone."""
        if strategy.device.type != "cpu" and self._clips:
            return
        loss, alone = strategy.loss, strategy.ranks.size == 1
        if not alone:  # they stop together
            loss = strategy.ranks.sum(loss.detach().clone())
        if not torch.isfinite(loss).all():
            # The search runs the model up to that site, which processes that share statistics cannot do alone.
            site = find_nonfinite_site(strategy.model, strategy.forward) if alone else None
            raise ClnormError(
                f"the loss is {loss.item()} in {_name_epoch(strategy)}"
                + (f": {site} gave values that are not finite" if site else ""),
                hint="try the norm: clnorm norms check NAME" if site else _hint(strategy),
            )

    def after_training_iteration(self, strategy: Training, **kwargs: Any) -> None:
        count = len(strategy.batch)
        self._clips += count
        self.clips_trained += count
        self._loss += strategy.loss.detach() * count
        strategy.setup.reporter.advance(count)

    def after_training_epoch(self, strategy: Training, **kwargs: Any) -> None:
        index = strategy.index
        seconds = time.perf_counter() - self._started
        record = {
            "experience": index,
            "epoch": strategy.epoch + 1,
            "loss": self._loss.item() / self._clips,
            "clips": self._clips,
            "clips_per_second": round((self._clips - self._begun) / seconds, 2),
            **({"fine_tuning": True} if strategy.fine_tuning else {}),
        }
        if not math.isfinite(record["loss"]):
            raise ClnormError(
                f"the loss is {record['loss']} in {_name_epoch(strategy)}",
                hint=_hint(strategy),
            )
        strategy.setup.log(record)
        strategy.setup.reporter.epoch(
            f"experience {index + 1}/{len(strategy.training_stream.experiences)}"
            f"  epoch {record['epoch']}/{_count_epochs(strategy)}  loss {record['loss']:.3f}"
        )


def _count_epochs(strategy: Training) -> int:
    """The epochs of the experience in training, those of fine-tuning included, which follow its own."""
    recipe = strategy.setup.config.train
    return recipe.epochs + (recipe.balanced_epochs if strategy.index else 0)


def _hint(strategy: Training) -> str:
    return "lower train.lr" + ", or use --set train.precision=fp32" * (strategy.setup.execution.precision != "fp32")


def _name_epoch(strategy: Training) -> str:
    return f"experience {strategy.index + 1}, epoch {strategy.epoch + 1}"
