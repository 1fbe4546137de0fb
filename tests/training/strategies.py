"""Strategies on a tiny setup, and what the running norms of their models hold."""

from clnorm.norms import RunningNorm

STILL = "lsvit_nano:drop_path=0"  # the same output for the same clips, in training too
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def create(setup):
    """The strategy that a setup's configuration names."""
    return setup.config.strategy.build(setup)


def running(model):
    """The norms of a model that have running statistics."""
    return [module for module in model.modules() if isinstance(module, RunningNorm)]


def state_of(model, *names):
    """Copies of the tensors of all running norms with these names."""
    return [getattr(norm, name).detach().clone() for norm in running(model) for name in names]
