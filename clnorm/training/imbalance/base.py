"""What `train.imbalance` stands for: the clips of an epoch, the loss, and what follows an experience. One at a time."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.execution.inputs import Inputs
from clnorm.training.imbalance.samplers import BALANCED, OVERSAMPLE, SQRT, UNDERSAMPLE, ClassCounts, Sampler
from clnorm.training.setup import Setup


@dataclass(frozen=True)
class TrainedExperience:
    """An experience that has just been trained.

    Args:
        index: its place in the training stream.
        ids: (n,) the clips at hand, each once: its own, and those in memory.
        seen: how many outputs of the model stand for classes trained on so far.
        model: the one that is evaluated.
        inputs: how clips are read as they are evaluated.
    """

    index: int
    ids: np.ndarray
    seen: int
    model: nn.Module
    inputs: Inputs


class Balancing:
    """No balancing: every clip once an epoch, and the plain cross-entropy. All methods are subclasses of it.

    Only the training loss is changed: the Fisher of `ewc` is that of the plain likelihood, whatever the method.

    Args:
        setup: the run's parts.

    Attributes:
        reads_forward: whether its loss reads what passed the model last, beside the outputs: a batch then must pass in
            one forward pass.
        done: the share of the experience's epochs that have passed.
        shown: (classes,) clips of each class that an epoch of this experience shows, on the device.
        clips: (classes,) the distinct clips that they are drawn from.
    """

    sampler: Sampler | None = None
    reads_forward = False

    def __init__(self, setup: Setup) -> None:
        self.setup, self.done = setup, 0.0

    def start(self, counts: ClassCounts) -> None:
        """Take up the counts of the experience that begins."""
        self.shown, self.clips = (
            torch.as_tensor(part, dtype=torch.float32, device=self.setup.device)
            for part in (counts.shown, counts.clips)
        )

    def epoch_length(self, ids: np.ndarray) -> int:
        """How many of an experience's clips `ids` (n,) an epoch shows, repeated ones included."""
        if self.sampler is None:
            return len(ids)
        return self.sampler.length(np.unique(self.setup.stream.targets[ids], return_counts=True)[1])

    def draw_epoch(self, ids: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """The experience's clips that an epoch shows, to be shuffled, out of `ids` (n,)."""
        return ids if self.sampler is None else self.sampler.draw(ids, self.setup.stream.targets[ids], generator)

    def loss(self, logits: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        """The mean loss of logits (B, classes allowed) for targets (B,), a scalar.

        It is a plain mean over clips, so that it does not depend on how a batch is cut into pieces.
        """
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)

    def state_dict(self) -> dict[str, Tensor]:
        """What the next experience depends on, as tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up a saved state."""

    def after_step(self) -> None:
        """Called after each step of the optimizer."""

    def after_experience(self, trained: TrainedExperience) -> None:
        """Called when an experience has been trained and the norms' statistics are as they will be evaluated."""


class Sampling(Balancing):
    """Balancing of what an epoch shows, with the plain cross-entropy.

    The sampler balances the experience's own clips. Those beside them come from a memory that is balanced by class
    already, and keep their share of each batch.
    """

    def __init__(self, setup: Setup, *, sampler: Sampler) -> None:
        super().__init__(setup)
        self.sampler = sampler


def oversample(setup: Setup) -> Sampling:
    """Every class as often as the experience's largest."""
    return Sampling(setup, sampler=OVERSAMPLE)


def undersample(setup: Setup) -> Sampling:
    """Every class as often as the experience's smallest."""
    return Sampling(setup, sampler=UNDERSAMPLE)


def balanced(setup: Setup) -> Sampling:
    """Every class equally often, in epochs of the usual length."""
    return Sampling(setup, sampler=BALANCED)


def sqrt(setup: Setup) -> Sampling:
    """Every class in proportion to the square root of its clips, in epochs of the usual length."""
    return Sampling(setup, sampler=SQRT)


def smoothed_targets(targets: Tensor, *, classes: int, smoothing: float) -> Tensor:
    """(B, classes): 1 - smoothing on the target, and smoothing spread over all classes, as torch's cross-entropy."""
    return F.one_hot(targets, classes) * (1 - smoothing) + smoothing / classes


def create_balancing(setup: Setup) -> Balancing:
    """The method that the configuration names."""
    method: Balancing = setup.config.train.imbalance.build(setup)
    return method
