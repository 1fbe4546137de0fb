"""Cumulative training: each experience is trained with all clips of those before it, so that nothing is forgotten.

It is what a memory without a limit gives, and an upper bound of replay; unlike joint training it sees the classes come.
"""

from dataclasses import replace

import numpy as np

from clnorm.streams.stream import ClipStream
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class KeepsAllPlugin(MethodPlugin, supports_distributed=True):
    """Says that the clips of all experiences are kept, which count as memory."""

    first_as_naive = True

    def finish(self, strategy: Training, index: int) -> None:
        strategy.memory = strategy.training_stream.experiences[index].train_ids

    def state_dict(self) -> dict[str, object]:
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None:
        pass


def cumulate(stream: ClipStream) -> ClipStream:
    """The stream whose experiences have the training clips of all experiences up to them."""
    parts = [experience.train_ids for experience in stream.experiences]
    experiences = tuple(
        replace(experience, train_ids=np.concatenate(parts[: index + 1]))
        for index, experience in enumerate(stream.experiences)
    )
    return replace(stream, experiences=experiences)


def cumulative(setup: Setup) -> ClipStrategy:
    """Training on all clips so far, from the weights that the experience before has left."""
    return ClipStrategy(setup=setup, stream=cumulate, plugins=[KeepsAllPlugin()])
