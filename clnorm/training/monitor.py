"""The plug-in that watches training: progress, one log record an epoch, and a stop at a loss that is not finite."""

import math
import time
from typing import Any

import torch
from avalanche.core import SupervisedPlugin

from clnorm.errors import ClnormError
from clnorm.norms.finite import find_nonfinite_site

_HINT = "lower train.lr, or use --set train.precision=fp32"


class TrackingPlugin(SupervisedPlugin):
    """Counts clips and averages the loss of each epoch without reading it from the device at every step."""

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self._started, self._clips = time.perf_counter(), 0
        self._loss = torch.zeros(1, device=strategy.device)

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Stop while the weights can still tell which norm failed; a GPU is asked in an epoch's first steps alone."""
        if (strategy.device.type == "cpu" or not self._clips) and not torch.isfinite(strategy.loss).all():
            site = find_nonfinite_site(strategy.model, strategy.forward)
            raise ClnormError(
                f"the loss is {strategy.loss.item()} in {_name_epoch(strategy)}"
                + (f": {site} gave values that are not finite" if site else ""),
                hint="try the norm: clnorm norms check NAME" if site else _HINT,
            )

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        count = len(strategy.mb_y)
        self._clips += count
        strategy.clips_trained += count
        self._loss += strategy.loss.detach() * count
        strategy.setup.reporter.advance(count)

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        index = strategy.experience.current_experience
        seconds = time.perf_counter() - self._started
        record = {
            "experience": index,
            "epoch": strategy.clock.train_exp_epochs + 1,
            "loss": self._loss.item() / self._clips,
            "clips": self._clips,
            "clips_per_second": round(self._clips / seconds, 2),
        }
        if not math.isfinite(record["loss"]):
            raise ClnormError(
                f"the loss is {record['loss']} in {_name_epoch(strategy)}",
                hint=_HINT,
            )
        strategy.setup.log(record)
        strategy.setup.reporter.epoch(
            f"experience {index + 1}/{len(strategy.training_stream.experiences)}"
            f"  epoch {record['epoch']}/{strategy.train_epochs}  loss {record['loss']:.3f}"
        )


def _name_epoch(strategy: Any) -> str:
    return f"experience {strategy.experience.current_experience + 1}, epoch {strategy.clock.train_exp_epochs + 1}"
