"""Class-balanced fine-tuning: when an experience is trained, some epochs on the memory alone, all classes alike.

The clips are those that the memory holds when it has taken in the experience's: of every class as many as of the one
that it holds most of, the clips of others again and again. There is none after the first experience, whose training
clips are of its own classes alone. The loss is that of classification, without what a method adds to it; optimizer,
schedule and the average of the weights begin anew, with `train.balanced_lr` times the learning rate.

Source: Castro et al., "End-to-End Incremental Learning", ECCV 2018, section 4.3 (balanced fine-tuning), as Park et al.,
ICCV 2021, use it on videos; neither one's distillation within it is part of it here.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from avalanche.core import SupervisedPlugin

from clnorm.config.config import Config
from clnorm.config.sections import TrainConfig
from clnorm.errors import UserError
from clnorm.memory.memory import Memory
from clnorm.seeding import derive_seed, seeded_torch
from clnorm.streams.stream import ClipStream
from clnorm.training.averaging import WeightAverage
from clnorm.training.epochs import Epochs, Lengths
from clnorm.training.foreign.guard import GuardedPlugin
from clnorm.training.imbalance.base import Balancing
from clnorm.training.imbalance.samplers import OVERSAMPLE
from clnorm.training.optim import create_optimizer, create_schedule
from clnorm.training.processes import place_of_draws
from clnorm.training.remembering import update_memory
from clnorm.training.resuming import ResumingTemplate
from clnorm.training.setup import Setup

_KEY = "train.balanced_epochs"


class FineTuningTemplate(ResumingTemplate):
    """A strategy whose experiences may end with class-balanced fine-tuning: further epochs, without the methods.

    Attributes:
        fine_tuning: whether it is at that; no position is kept within it.
    """

    setup: Setup
    recipe: TrainConfig
    lengths: Lengths
    exemplars: Memory | None
    benchmark: Any
    plugins: list[SupervisedPlugin]
    fine_tuning = False
    _given: list[SupervisedPlugin]
    _average: WeightAverage | None = None

    @property
    def ends_epoch(self) -> bool:
        """Whether all steps of the epoch are done."""
        return bool(self.clock.train_epoch_iterations == self.lengths.steps_per_epoch(self.index))

    @property
    def ends_training(self) -> bool:
        """Whether all steps of the experience are done, but for those of its fine-tuning."""
        return self.ends_epoch and self.epoch + 1 == self.recipe.epochs

    def begin_steps(self, recipe: TrainConfig, *, steps: int) -> None:
        """Begin so many steps with a fresh optimizer and schedule, and a fresh average of the weights."""
        self.optimizer = create_optimizer(self.model, recipe)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.setup.execution.precision == "fp16")
        self.scheduler = create_schedule(self.optimizer, recipe, steps=steps)
        if self._average is not None:
            self._average.restart()

    def fine_tune(self, index: int) -> None:
        """Fine-tune on the memory after experience `index`, which has just been trained, where that is asked for."""
        memory, steps = self.exemplars, self.lengths.fine_tuning_steps(index)
        if memory is None or not steps:
            return
        recipe, plugins, seed = self.recipe, self.plugins, self.setup.config.seed
        draw = partial(OVERSAMPLE.draw, memory.ids, memory.labels)
        self.experience, self.fine_tuning = self.benchmark.train_stream[index], True
        kept = (each for each in plugins if each not in self._given)
        self.plugins = [each for each in kept if not isinstance(each, GuardedPlugin)]
        self.dataloader = Epochs(
            self.setup, index=index, draw=draw, memory=memory.ids[:0], recalled=0, phase="balanced"
        )
        self.begin_steps(replace(recipe, lr=recipe.lr * recipe.balanced_lr), steps=steps)
        self._stop_training = False
        self.model.train()
        place = place_of_draws(self.model, self.ranks, index)
        try:
            with seeded_torch(derive_seed(seed, "balanced dropout", *place), device=self.device):
                for _ in range(recipe.balanced_epochs):
                    self._before_training_epoch()
                    self.training_epoch()
                    self._after_training_epoch()
        finally:
            self.plugins, self.fine_tuning = plugins, False
        self.statistics.forget(self.model)
        self._train_cleanup()


def plan_lengths(
    setup: Setup,
    stream: ClipStream,
    *,
    balancing: Balancing,
    memory: Memory | None,
    share: float,
    trained: int | None,
) -> Lengths:
    """How long a run's training is.

    Args:
        setup: the run's parts.
        stream: what is trained on.
        balancing: what is done about unequal classes.
        memory: of the strategy, as it is built; None without one.
        share: the share of a batch that comes from it.
        trained: how many of the first experiences are trained by steps; None: all.

    Raises:
        UserError: as `plan_fine_tuning`.
    """
    recipe = setup.config.train
    return Lengths(
        tuple(balancing.epoch_length(experience.train_ids) for experience in stream.experiences),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        share=share,
        trained=trained,
        balanced=plan_fine_tuning(setup.config, memory, setup.stream, share=share),
        balanced_epochs=recipe.balanced_epochs,
    )


def plan_fine_tuning(config: Config, memory: Memory | None, stream: ClipStream, *, share: float) -> tuple[int, ...]:
    """How many clips an epoch of fine-tuning shows after each experience; 0 after the first, and without fine-tuning.

    Which clips a memory keeps hangs on what it is offered and on its generator; how many of each class, by herding too,
    on nothing that is trained.

    Raises:
        UserError: fine-tuning without a memory of clnorm's own that batches recall from, or with a method against
            unequal classes.
    """
    recipe = config.train
    if not recipe.balanced_epochs:
        return ()
    if memory is None or not share:
        what = f"fine-tuning on the memory with the strategy {config.strategy.name}, which has none beside its batches"
        raise UserError(what, where=_KEY, legal="0, or a strategy with a memory, such as replay")
    if recipe.imbalance.name != "none":
        what = f"two things about unequal classes: fine-tuning, and train.imbalance={recipe.imbalance.name}"
        raise UserError(what, where=_KEY, legal="0, or train.imbalance=none")
    planned, shown = Memory(memory.budget), []
    for index in range(len(stream.experiences)):
        update_memory(planned, stream, index, seed=config.seed, features=lambda ids: np.zeros((len(ids), 1)))
        counts = np.unique(planned.labels, return_counts=True)[1]
        shown.append(OVERSAMPLE.length(counts) if index else 0)
    return tuple(shown)
