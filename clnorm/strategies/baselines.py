"""The built-in strategies: each a function from the run's parts and its own options to an Avalanche strategy."""

from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


def naive(setup: Setup) -> ClipStrategy:
    """Fine-tuning on one experience after the other, with no protection against forgetting."""
    return ClipStrategy(setup=setup)


def joint(setup: Setup) -> ClipStrategy:
    """Training on all experiences at once, each clip as often as `naive` sees it: the upper bound."""
    return ClipStrategy(setup=setup, joined=True)
