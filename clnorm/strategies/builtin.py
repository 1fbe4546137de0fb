"""The built-in strategies: each a function from the run's parts and its own options to an Avalanche strategy."""

from clnorm.errors import UserError
from clnorm.strategies.ewc import EWCPlugin, QuadraticPenalty
from clnorm.strategies.memory import ClassBalancedMemory, ReplayPlugin
from clnorm.strategies.template import ClipStrategy, Setup


def naive(setup: Setup) -> ClipStrategy:
    """Fine-tuning on one experience after the other, with no protection against forgetting."""
    return ClipStrategy(setup=setup)


def joint(setup: Setup) -> ClipStrategy:
    """Training on all experiences at once, each clip as often as `naive` sees it: the upper bound."""
    return ClipStrategy(setup=setup, joined=True)


def replay(setup: Setup, *, per_class: int, share: float) -> ClipStrategy:
    """Experience replay from a class-balanced memory.

    Raises:
        UserError: a batch of one clip, which cannot hold both kinds.
    """
    if setup.config.train.batch_size < 2:
        raise UserError("replay needs a batch of at least 2 clips", where="train.batch_size", legal="an int >= 2")
    return ClipStrategy(setup=setup, plugins=[ReplayPlugin(ClassBalancedMemory(per_class))], share=share)


def ewc(setup: Setup, *, lam: float, fisher: str) -> ClipStrategy:
    """Elastic Weight Consolidation, one quadratic penalty accumulated over experiences."""
    return ClipStrategy(setup=setup, plugins=[EWCPlugin(QuadraticPenalty(lam), exact=fisher == "exact")])
