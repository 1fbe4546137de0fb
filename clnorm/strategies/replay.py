"""Replay: a class-balanced memory of clip ids, and the plug-in that mixes it into the batches."""

from typing import Any

import numpy as np
import torch

from clnorm.errors import UserError
from clnorm.seeding import numpy_generator
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class ClassBalancedMemory:
    """Keeps the same number of clips of every class, chosen at random when the class is learned.

    It grows with the classes, as in Park et al., ICCV 2021; a class with fewer clips keeps all of them.
    """

    def __init__(self, per_class: int) -> None:
        self.per_class = per_class
        self.ids = np.empty(0, dtype=np.int64)

    def add(self, ids: np.ndarray, labels: np.ndarray, *, generator: np.random.Generator) -> None:
        """Keep up to `per_class` of the clips `ids` (n,) of each class in `labels` (n,)."""
        kept = [generator.permutation(ids[labels == label])[: self.per_class] for label in np.unique(labels)]
        self.ids = np.concatenate([self.ids, *kept])


class ReplayPlugin(MethodPlugin, supports_distributed=True):
    """Experience replay: part of each batch comes from a class-balanced memory; the total batch stays constant."""

    first_as_naive = True

    def __init__(self, memory: ClassBalancedMemory) -> None:
        super().__init__()
        self.memory = memory

    def after_train_dataset_adaptation(self, strategy: Training, **kwargs: Any) -> None:
        strategy.memory = self.memory.ids

    def after_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        index = strategy.index
        ids = strategy.training_stream.experiences[index].train_ids
        generator = numpy_generator(strategy.setup.config.seed, "memory", index)
        self.memory.add(ids, strategy.setup.stream.targets[ids], generator=generator)
        strategy.memory = self.memory.ids

    def state_dict(self) -> dict[str, Any]:
        return {"ids": torch.as_tensor(self.memory.ids)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.memory.ids = state["ids"].numpy()


def replay(setup: Setup, *, per_class: int = 5, share: float = 0.5) -> ClipStrategy:
    """Experience replay from a class-balanced memory.

    Raises:
        UserError: a batch of one clip, which cannot hold both kinds.
    """
    if setup.config.train.batch_size < 2:
        raise UserError("replay needs a batch of at least 2 clips", where="train.batch_size", legal="an int >= 2")
    return ClipStrategy(setup=setup, plugins=[ReplayPlugin(ClassBalancedMemory(per_class))], share=share)
