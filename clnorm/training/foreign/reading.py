"""What foreign plug-ins ask of a strategy: outputs for clips that they know by their ids alone, and the loss of them.

The samples of an experience are (clip id, target, 0), and so are those of a plug-in's own memory. Where it passes a
batch of them through the model, the clips are read, as they are evaluated, and the norms are told of them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.norms.context import provide_context
from clnorm.training.batch import Batch
from clnorm.training.imbalance.base import Balancing
from clnorm.training.norms.statistics import StatisticsPlugin
from clnorm.training.plugin import Training


class ClipCriterion(nn.Module):
    """The run's loss of classification, as plug-ins call it: `criterion(logits, targets)`.

    It is that of `train.loss`, `train.label_smoothing` and `train.imbalance`, over the outputs that are trained.

    Attributes:
        reduction: `mean`, or `none` for each clip's loss (B,), which plug-ins set.

    Raises:
        UserError: it is asked for in evaluation mode, and is one of `train.imbalance`, which training alone has.
    """

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.reduction, self._strategy = "mean", (strategy,)  # a tuple, so that it is no module's child

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        (strategy,) = self._strategy
        loss: Tensor
        if not strategy.model.training and type(strategy.balancing).loss is not Balancing.loss:
            what = f"{strategy.recipe.imbalance.name} has no loss in evaluation mode, in which it is asked for"
            raise UserError(what, legal="methods that choose clips, or none", hint="set train.imbalance=none")
        if self.reduction == "mean":
            loss = strategy.classify_targets(logits.float(), targets)
            return loss
        if self.reduction != "none":
            raise ValueError(f"the criterion's reduction is {self.reduction!r}, and can be 'mean' or 'none'")
        each = zip(logits.float().split(1), targets.split(1), strict=True)
        return torch.stack([strategy.classify_targets(*clip) for clip in each])


def read_ids(strategy: Training, statistics: StatisticsPlugin) -> Callable[[nn.Module, tuple[Any, ...]], Any]:
    """A forward pre-hook with which a model takes a batch of clip ids (B,) in place of clips (B, T, 3, H, W).

    It holds for deep copies of the model too, which take it over. A function, since a deep copy leaves functions as
    they are, and would copy the strategy with an object.
    """

    def read(model: nn.Module, given: tuple[Any, ...]) -> Any:
        first, batch = given[0] if given else None, strategy.mbatch  # type: ignore[attr-defined]
        if not isinstance(first, Tensor):
            return None
        if isinstance(batch, Batch) and first is batch.clips:
            # A plug-in may have had the norms told of other clips meanwhile, and a copy was told of nothing.
            provide_context(model, statistics.describe(strategy, batch))
            return None
        if first.ndim != 1 or first.dtype not in (torch.int32, torch.int64):
            return None
        ((_, clips),) = strategy.inputs.read_for(model, [first.cpu().numpy()])
        return clips, *given[1:]

    return read
