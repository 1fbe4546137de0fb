"""What a strategy tells norms of each batch, and estimating their running statistics anew."""

from typing import Any

import numpy as np
import torch
from avalanche.core import SupervisedPlugin
from torch import nn

from clnorm.execution.execution import run_eagerly
from clnorm.execution.inputs import Inputs, split_batches
from clnorm.norms import StepContext, provide_context, take_auxiliary_loss
from clnorm.norms.calibrate import CalibrationReport, calibrate_norms
from clnorm.norms.running import statistics_of
from clnorm.seeding import numpy_generator
from clnorm.streams.stream import ClipStream
from clnorm.training.batch import Batch
from clnorm.training.plugin import Training


class StatisticsPlugin(SupervisedPlugin, supports_distributed=True):  # type: ignore[call-arg]
    """Gives norms the context of each forward pass in training.

    It has no state of its own: the experience in training tells all, so that a continued run is the uninterrupted one.

    Args:
        stream: what is trained on.
        steps: the steps of the optimizer in each experience.
        device: where the model is.

    Attributes:
        done: the steps of the run that are done.
    """

    def __init__(self, stream: ClipStream, steps: list[int], *, device: torch.device) -> None:
        super().__init__()
        self.tasks, self._device = torch.as_tensor(stream.experience_of_clip), device
        self.done, self._steps, self._experience = 0, steps, 0

    @property
    def progress(self) -> float:
        """The share of the run's steps that is done."""
        return self.done / max(self.total, 1)  # a strategy may take no step at all

    @property
    def total(self) -> int:
        """The steps of the run."""
        return sum(self._steps)

    def context_of(self, ids: np.ndarray) -> StepContext:
        """The context of a batch of clips `ids` (B,) outside of training: all of them alike."""
        return StepContext(self.tasks[torch.as_tensor(ids)].to(self._device), self._experience, self.progress)

    def begin(self, experience: int) -> None:
        """Take up an experience, from 0."""
        self._experience = experience
        self.done = sum(self._steps[:experience])

    def before_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        self.begin(strategy.index)

    def before_forward(self, strategy: Training, **kwargs: Any) -> None:
        self.tell(strategy, strategy.batch)

    def tell(self, strategy: Training, batch: Batch) -> None:
        """Tell the norms of the clips that are about to pass the model in training."""
        provide_context(strategy.model, self.describe(strategy, batch))

    def describe(self, strategy: Training, batch: Batch) -> StepContext:
        """What norms are told of a batch in training."""
        tasks = batch.tasks if batch.tasks_of_all is None else batch.tasks_of_all
        has_memory = len(strategy.memory) > 0
        return StepContext(tasks, self._experience, self.progress, has_memory=has_memory, part=batch.part)

    def after_backward(self, strategy: Training, **kwargs: Any) -> None:
        # Checkpointing computes activations, and what norms add to the loss, a second time.
        take_auxiliary_loss(strategy.model)

    def after_update(self, strategy: Training, **kwargs: Any) -> None:
        self.done += 1

    def after_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        self.forget(strategy.model)

    def forget(self, model: nn.Module) -> None:
        """Leave a model's norms without what they were told last."""
        provide_context(model, None)


def recalibrate(strategy: Training, index: int) -> None:
    """Estimate the evaluated model's running statistics anew after experience `index`, if its norms say so.

    Statistics that are frozen in the next experience are recalibrated a last time, frozen ones no more. Where an
    average of weights is evaluated, it alone is recalibrated: the model in training keeps the statistics that it
    tracked, and the average starts from them again. Only where these are frozen from the next experience on, the model
    in training is recalibrated, too, by its own weights: they are what is evaluated from then on.
    """
    recipe, statistics = strategy.setup.config.train, statistics_of(strategy.model)
    if statistics.recalibrate == "none" or statistics.freezes(index):
        return
    own = strategy.training_stream.experiences[index].train_ids
    ids = strategy.memory if statistics.recalibrate == "buffer" else own
    last = statistics.freezes(index + 1)
    averaged = strategy.evaluated_model is not strategy.model
    for model in [strategy.evaluated_model, *([strategy.model] if averaged and last else [])]:
        generator = numpy_generator(strategy.setup.config.seed, "recalibration", index)
        # The norms are in another mode and average otherwise than in training, which would be compiled for once.
        with run_eagerly(strategy.setup.execution):
            calibrate_on(model, strategy.inputs, ids, batch_size=recipe.batch_size, generator=generator)


def calibrate_on(
    model: nn.Module, inputs: Inputs, ids: np.ndarray, *, batch_size: int, generator: np.random.Generator
) -> CalibrationReport:
    """Set a model's running statistics from clips `ids`, as they are evaluated.

    Args:
        model: the one in training, or the average of its weights; uncompiled, or run eagerly.
        inputs: the run's passage from ids to inputs.
        ids: (n,) the clips.
        batch_size: most clips in a batch; all batches are about as large.
        generator: shuffles the clips, since a batch of one class has statistics of its own.
    """
    batches = split_batches(generator.permutation(ids), batch_size)
    clips = (clips for _, clips in inputs.read(batches))
    contexts = None if inputs.context_of is None else map(inputs.context_of, batches)
    return calibrate_norms(model, clips, contexts=contexts)


def calibrate_at_start(strategy: Training) -> CalibrationReport:
    """Estimate the norms' running statistics on the first clips to be trained on; a state read later replaces them."""
    config, ids = strategy.setup.config, strategy.training_stream.experiences[0].train_ids
    model, generator = strategy.evaluated_model, numpy_generator(config.seed, "calibration")
    with run_eagerly(strategy.setup.execution):
        return calibrate_on(model, strategy.inputs, ids, batch_size=config.train.batch_size, generator=generator)
