"""Which clips of a batch pass the model together: all of them, or current ones and those of the memory apart."""

import torch
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.norms.base import needs_of
from clnorm.training.accumulation import by_batch, clips_at_once
from clnorm.training.epochs import memory_share
from clnorm.training.plugin import Training
from clnorm.training.setup import Setup


def forward_batch(strategy: Training, *, apart: bool) -> Tensor:
    """The model's outputs (B, classes) for the strategy's batch.

    Args:
        strategy: its norms have been told of the batch.
        apart: current clips and those of the memory pass in two forward passes, the current ones first, so that norms
            by batch have statistics of each, and running statistics move twice.
    """
    batch = strategy.batch
    if not apart or not batch.count_recalled():
        outputs: Tensor = strategy.model(batch.clips)
        return outputs
    parts = []
    for part in (batch.current, batch.remembered):
        if len(part):
            strategy.statistics.tell(strategy, part)
            parts.append(strategy.model(part.clips))
    strategy.statistics.tell(strategy, batch)
    return torch.cat(parts)


def check_forward(model: nn.Module, setup: Setup, *, share: float) -> None:
    """Refuse `train.forward=separate` where it would not be what it says; without a memory, say that it is nothing.

    Args:
        model: its norms swapped.
        setup: the run's parts.
        share: the share of a batch that comes from the memory; 0 without one.

    Raises:
        UserError: mixed clips, several processes, norms that go by the experiences within a batch, or a half of one
            clip and norms by batch.
    """
    config, where, hint = setup.config, "train.forward", "use --set train.forward=joint"
    recipe = config.train
    if recipe.forward == "joint":
        return
    if not share:
        name, why = config.strategy.name, "whose batches have no clips of a memory"
        setup.reporter.note(f"train.forward=separate changes nothing for {name}, {why}.")
        return
    if config.data.mix.name != "none":
        what = f"separate with data.mix={config.data.mix.name}, which mixes current clips with those of the memory"
        raise UserError(what, where=where, legal="data.mix=none", hint=hint)
    if setup.ranks.size > 1:
        raise UserError("separate with several processes", where=where, legal="one process", hint=hint)
    named = {type(module).__name__ for module in model.modules() if "tasks" in needs_of(module)}
    if named:
        what = (
            f"separate with the norm {config.norm.short}: {', '.join(sorted(named))} weighs the experiences within one "
            "batch, and no half has them all"
        )
        raise UserError(what, where=where, legal="norms that are not told each clip's experience", hint=hint)
    recalled = memory_share(recipe.batch_size, share)
    least = min(recalled, recipe.batch_size - recalled) // recipe.accumulate
    if least < 2 and by_batch(model):
        what = (
            f"separate with the norm {config.norm.short}, whose statistics would be of one clip: a batch of "
            f"{clips_at_once(recipe)} has {recalled // recipe.accumulate or 1} from the memory"
        )
        raise UserError(what, where=where, legal="two clips or more of either kind", hint="raise train.batch_size")
