"""The two baselines: fine-tuning on each experience, and joint training."""

from clnorm.streams.stream import ClipStream
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


def naive(setup: Setup) -> ClipStrategy:
    """Fine-tuning on one experience after the other, with no protection against forgetting."""
    return ClipStrategy(setup=setup)


def joint(setup: Setup) -> ClipStrategy:
    """Training on all experiences at once, each clip as often as `naive` sees it: the upper bound."""
    return ClipStrategy(setup=setup, stream=ClipStream.joined)
