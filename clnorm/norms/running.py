"""The running statistics of a whole model: what they are told to do, and evaluation by a batch's own."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.norms.base import Norm, RunningNorm
from clnorm.norms.sites.adapter import NormSite
from clnorm.norms.statistics import Statistics


def give_statistics(model: nn.Module, statistics: Statistics | None) -> None:
    """Set the statistics options of every norm in a model; None sets their defaults.

    A norm that is no `RunningNorm` cannot follow, and its site holds what it was asked for.
    """
    for module in model.modules():
        if isinstance(module, NormSite):
            module.statistics = statistics
        elif isinstance(module, RunningNorm):
            module.statistics = statistics or Statistics()


def statistics_of(model: nn.Module) -> Statistics:
    """What the running statistics of a model do, all of them alike.

    Raises:
        UserError: they differ, as in a model put together from several norms.
    """
    held = [module.statistics for module in model.modules() if isinstance(module, (RunningNorm, NormSite))]
    found = list(dict.fromkeys(statistics for statistics in held if statistics is not None))
    if len(found) > 1:
        what = f"its norms disagree on what their running statistics do: {found[0]} and {found[1]}"
        raise UserError(what, where=type(model).__name__, hint="use clnorm.norms.running.give_statistics")
    return found[0] if found else Statistics()


@contextmanager
def evaluate_by_batch(model: nn.Module) -> Iterator[None]:
    """A context in which every `RunningNorm` with eval=batch evaluates by the statistics of the batch it is given."""
    norms = [norm for norm in running_norms(model) if norm.statistics.eval == "batch"]
    for norm in norms:
        norm.transductive = True
    try:
        yield
    finally:
        for norm in norms:
            norm.transductive = False


def statistics_buffers(model: nn.Module) -> list[Tensor]:
    """The buffers of all norms of a model, each once: its running statistics, those of each task among them."""
    norms = (module for module in model.modules() if isinstance(module, Norm) or hasattr(module, "running_mean"))
    return list({id(buffer): buffer for norm in norms for buffer in norm.buffers()}.values())


def running_norms(model: nn.Module) -> list[RunningNorm]:
    return [module for module in model.modules() if isinstance(module, RunningNorm)]
