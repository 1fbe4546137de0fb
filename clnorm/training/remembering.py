"""The memory of a run: built from a strategy's options, and filled after each experience."""

from collections.abc import Callable, Iterable
from typing import cast

import numpy as np
import torch
from torch import Tensor

from clnorm.errors import UserError
from clnorm.execution.execution import run_eagerly
from clnorm.execution.inputs import compute_outputs, split_batches
from clnorm.memory.memory import Budget, Memory
from clnorm.seeding import numpy_generator
from clnorm.streams.stream import ClipStream
from clnorm.training.norms.options import require_estimated
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.setup import Setup

OFF = "none"


def create_memory(setup: Setup, *, per_class: int | str, total: int | str, select: str) -> Memory:
    """The empty memory that a strategy's options describe.

    Raises:
        UserError: no size or two of them, a total smaller than the classes, or a batch of one clip, which cannot hold
            clips of both kinds.
    """
    where = f"strategy {setup.config.strategy.name}"
    of_class, in_all = (None if size == OFF else int(size) for size in (per_class, total))
    try:
        budget = Budget(of_class, in_all, select)
        budget.check(setup.stream.num_classes)
    except UserError as error:
        raise error.within(where) from error
    if setup.config.train.batch_size < 2:
        raise UserError(
            f"{setup.config.strategy.name} needs a batch of at least 2 clips",
            where="train.batch_size",
            legal="an int >= 2",
        )
    if select == "herding":
        require_estimated(setup.model, setup.config)
    return Memory(budget)


def fill_memory(memory: Memory, strategy: Training, index: int) -> None:
    """Offer a memory the clips of experience `index`, which has just been trained.

    Herding goes by the features of the model that is evaluated, whose running statistics are those that training left.
    """
    setup = strategy.setup

    def features(of: np.ndarray) -> np.ndarray:
        model = strategy.evaluated_model
        forward = cast(Callable[[Tensor], Tensor], model.forward_features)
        batches = split_batches(of, setup.config.eval.batch_size)
        precision = setup.execution.precision
        with run_eagerly(setup.execution):
            rows = compute_outputs(model, strategy.inputs, batches, precision=precision, forward=forward)
        strategy.ranks.give(torch.from_numpy(rows))  # machines may round otherwise
        return rows

    update_memory(memory, setup.stream, index, seed=setup.config.seed, features=features)


def update_memory(
    memory: Memory,
    stream: ClipStream,
    index: int,
    *,
    seed: int,
    features: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """Offer a memory the clips of a stream's experience, with the run's generator.

    Args:
        memory: of the run, or another one.
        stream: of the run.
        index: of the experience.
        seed: of the run.
        features: as `Memory.update` takes them.
    """
    ids = stream.experiences[index].train_ids
    memory.update(ids, stream.targets[ids], generator=numpy_generator(seed, "memory", index), features=features)


def add_payload(memory: Memory, strategy: Training, methods: Iterable[MethodPlugin], index: int) -> None:
    """Have methods give what they keep beside the clips that the memory has just taken in, of experience `index`."""
    own = strategy.setup.stream.experiences[index].train_ids
    taken = memory.ids[np.isin(memory.ids, own)]
    for method in methods:
        memory.add_payload(taken, method.payload(strategy, taken))
