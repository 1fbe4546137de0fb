"""Policies for running statistics: which clips they take in, when they stand still, and what evaluation goes by."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from clnorm.norms.base import RunningNorm


def weigh_clips(policy: str, tasks: Tensor, *, experience: int, has_memory: bool) -> tuple[Tensor | None, bool]:
    """What a batch's clips count in running statistics under `train.stats_update`.

    | policy         | weight of a clip                                                              |
    |----------------|-------------------------------------------------------------------------------|
    | `all`          | 1                                                                             |
    | `current_only` | 1 if it belongs to the experience in training, else 0                         |
    | `memory_only`  | 1 if it comes from the memory, else 0; 1 for all while there is no memory     |
    | `balanced`     | 1 / the clips of its experience in the batch, so that these weigh all the same |
    | `none`         | the batch is not tracked                                                      |

    Args:
        policy: which of them.
        tasks: (B,) int64, the experience that each clip belongs to.
        experience: the experience in training, whose clips are the current ones.
        has_memory: whether there is a memory of clips yet.

    Returns:
        Weights (B,), None where all clips count alike; and whether the batch is tracked: not where none of its clips
        counts, as in a piece of a batch without a clip of the memory.
    """
    if policy == "none":
        return None, False
    if policy == "all" or (policy == "memory_only" and not has_memory):
        return None, True
    if policy == "balanced":
        return (tasks.unsqueeze(1) == tasks).sum(1).float().reciprocal(), True
    current = tasks == experience
    weights = (current if policy == "current_only" else ~current).float()
    return weights, bool(weights.any())


def freeze_norms(model: nn.Module) -> None:
    """Let every `RunningNorm` train by its running statistics, which then stay as they are."""
    for norm in running_norms(model):
        norm.frozen = True


@contextmanager
def transductive_norms(model: nn.Module) -> Iterator[None]:
    """A context in which every `RunningNorm` evaluates by the statistics of the batch that it is given."""
    norms = running_norms(model)
    for norm in norms:
        norm.transductive = True
    try:
        yield
    finally:
        for norm in norms:
            norm.transductive = False


def running_norms(model: nn.Module) -> list[RunningNorm]:
    return [module for module in model.modules() if isinstance(module, RunningNorm)]
