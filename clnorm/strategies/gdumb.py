"""GDumb: a balanced memory, and a model that is trained on it alone, from its initial weights, after each experience.

Source: Prabhu, Torr and Dokania, "GDumb: A Simple Approach that Questions Our Progress in Continual Learning", ECCV
2020. The greedy sampler keeps the memory balanced by class; here it is a uniform sample of each class.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from clnorm.memory.memory import Memory
from clnorm.streams.stream import ClipStream
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.remembering import create_memory, update_memory
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class RestartPlugin(MethodPlugin, supports_distributed=True):
    """Gives the model its initial weights and statistics back before each experience."""

    def __init__(self) -> None:
        super().__init__()
        self.initial: dict[str, Tensor] = {}

    def before_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        if not self.initial:  # with the statistics that were estimated before training
            self.initial = {name: tensor.detach().clone() for name, tensor in strategy.model.state_dict().items()}
        strategy.model.load_state_dict(self.initial)

    def state_dict(self) -> dict[str, Any]:
        return {"initial": self.initial}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.initial = state["initial"]


def remember_only(stream: ClipStream, *, create: Callable[[], Memory], seed: int, passes: int) -> ClipStream:
    """The stream whose experiences train on what the memory holds after them, each clip `passes` times an epoch.

    The memory is filled by the draws by which the trainer fills it, so that the run's memory holds the same clips.
    """
    memory, experiences = create(), []
    for index, experience in enumerate(stream.experiences):
        update_memory(memory, stream, index, seed=seed)
        experiences.append(replace(experience, train_ids=np.tile(memory.ids, passes)))
    return replace(stream, experiences=tuple(experiences))


def gdumb(setup: Setup, *, per_class: int | str = 5, passes: int = 4, total: int | str = "none") -> ClipStrategy:
    """Training from the initial weights on the memory alone, each of its clips `passes` times an epoch."""
    seed, create = setup.config.seed, partial(create_memory, setup, per_class=per_class, total=total, select="random")
    remember = partial(remember_only, create=create, seed=seed, passes=passes)
    return ClipStrategy(setup=setup, stream=remember, plugins=[RestartPlugin()], exemplars=create())
