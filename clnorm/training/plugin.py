"""What methods add to the training: the base of their plug-ins, and what these see of the strategy."""

from abc import abstractmethod
from typing import Any, Protocol

import numpy as np
import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor, nn

from clnorm.errors import ClnormError
from clnorm.execution.inputs import Inputs
from clnorm.memory.memory import Memory
from clnorm.ranks import Ranks
from clnorm.streams.stream import ClipStream
from clnorm.training.batch import Batch
from clnorm.training.imbalance.base import Balancing
from clnorm.training.setup import Setup


class Training(Protocol):
    """The strategy that trains, as its plug-ins see it.

    Attributes:
        setup: the run's parts.
        training_stream: what is trained on.
        inputs: how clips are read as they are evaluated, with norms told of them.
        ranks: the processes that train together.
        model: the one in training.
        evaluated_model: the one that is evaluated: `model`, or the average of its weights.
        device: where both are.
        index: of the experience in training.
        epoch: of that experience, from 0.
        fine_tuning: whether it is at the class-balanced fine-tuning that follows, in which methods take no part.
        seen_classes: how many outputs stand for classes trained on so far, this experience included.
        memory: (m,) ids of the clips kept from earlier experiences.
        balancing: what is done about unequal classes, and the clips of each that the experience shows.
        exemplars: these with what a method keeps beside each, where clnorm's memory keeps them.
        statistics: what tells norms of a batch.
        batch: the clips in the step, or the piece of it that passes the model.
        mb_output: the model's outputs for them.
        loss: their loss, a scalar; add to it in `before_backward`.
    """

    setup: Setup
    training_stream: ClipStream
    inputs: Inputs
    ranks: Ranks
    fine_tuning: bool
    model: nn.Module
    device: torch.device
    memory: np.ndarray
    balancing: Balancing
    exemplars: Memory | None
    mb_output: Tensor
    loss: Tensor

    @property
    def evaluated_model(self) -> nn.Module: ...
    @property
    def index(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def seen_classes(self) -> int: ...
    @property
    def batch(self) -> Batch: ...
    @property
    def statistics(self) -> "Teller": ...
    def forward(self) -> Tensor: ...
    def scale_loss(self, loss: Tensor) -> Tensor: ...
    def classify(self, logits: Tensor, batch: Batch) -> Tensor: ...
    def gradients(self, loss: Tensor) -> list[Tensor]: ...
    def fine_tune(self, index: int) -> None: ...


class Teller(Protocol):
    """What tells norms of the clips that are about to pass the model in training."""

    def tell(self, strategy: Training, batch: Batch) -> None: ...


class MethodPlugin(SupervisedPlugin):
    """The plug-in of a method: what it holds from one experience to the next is kept with the run.

    A subclass writes the hooks that it needs. They are Avalanche's, each called with the strategy, a `Training`.

    Several processes train with it only where it says that this is right, as Avalanche's plug-ins do: `class
    Mine(MethodPlugin, supports_distributed=True)`. What it adds to the loss then counts by the share of the batch that
    is this process's, and all that it draws or notes must be the same in each of them.

    Attributes:
        first_as_naive: whether the model after the first experience's last step is the one that it is without this
            plug-in, and nothing is noted for later before that; such runs share the training of that experience.
    """

    first_as_naive = False

    def payload(self, strategy: Training, ids: np.ndarray) -> dict[str, Tensor]:
        """What the memory keeps beside each of the clips `ids` (k,), which it has just taken in; by name, (k, ...)."""
        return {}

    def __init_subclass__(cls, supports_distributed: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(supports_distributed=supports_distributed, **kwargs)

    def finish(self, strategy: Training, index: int) -> None:
        """Called when experience `index` is over, its memory filled and its norms' statistics as they are evaluated."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What the next experience depends on: tensors and numbers only, read back without pickle."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave, with its tensors on the CPU.

        It is called between two experiences, and within one, after the hooks before it.
        """


def keeps_state(plugin: object) -> bool:
    """Whether a run can go on with what a plug-in holds."""
    return hasattr(plugin, "state_dict") and hasattr(plugin, "load_state_dict")


def read_state(plugin: Any) -> Any:
    """What a plug-in keeps with the run.

    Raises:
        ClnormError: something in it would not be read back.
    """
    state = plugin.state_dict()
    if unread := _find_unread(state):
        what = f"the state_dict of the plug-in {type(plugin).__name__} holds a {unread}, which is not read back"
        raise ClnormError(what, legal="tensors, numbers and texts, in dictionaries and lists")
    return state


def _find_unread(held: Any) -> str:
    """The kind of a thing in nested dictionaries and lists that is not read back; empty where there is none."""
    if isinstance(held, dict):
        held = [*held.keys(), *held.values()]
    if isinstance(held, (list, tuple)):
        return next((kind for part in held if (kind := _find_unread(part))), "")
    # By its very type: numpy's numbers are floats as well, and are not read back.
    plain = isinstance(held, Tensor) or held is None or type(held) in (bool, int, float, str)
    return "" if plain else type(held).__name__
