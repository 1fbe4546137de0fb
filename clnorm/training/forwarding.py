"""Which clips of a batch pass the model together: all of them, or current ones and those of the memory apart."""

import torch
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.norms import take_auxiliary_loss
from clnorm.norms.base import needs_of
from clnorm.training.accumulation import by_batch, clips_at_once
from clnorm.training.epochs import Lengths
from clnorm.training.imbalance.base import Balancing
from clnorm.training.plugin import Training
from clnorm.training.setup import Setup


def forward_batch(strategy: Training, *, apart: bool) -> tuple[Tensor, Tensor | None]:
    """The model's outputs (B, classes) for the strategy's batch, and what norms add to the loss in two passes.

    In one pass norms leave what they add to the loss, for `take_auxiliary_loss`. In two, each half's counts by its
    share of the clips, as that of a batch's pieces, so that what does not depend on the clips counts once.

    Args:
        strategy: its norms have been told of the batch.
        apart: current clips and those of the memory pass in two forward passes, the current ones first, so that norms
            by batch have statistics of each, and running statistics move twice.
    """
    batch = strategy.batch
    if not apart or not batch.count_recalled():
        return strategy.model(batch.clips), None
    parts, total = [], None
    for part in (batch.current, batch.remembered):
        if len(part):
            strategy.statistics.tell(strategy, part)
            parts.append(strategy.model(part.clips))
            if (added := take_auxiliary_loss(strategy.model)) is not None:
                counted = added * (len(part) / len(batch))
                total = counted if total is None else total + counted
    strategy.statistics.tell(strategy, batch)
    return torch.cat(parts), total


def check_forward(model: nn.Module, setup: Setup, lengths: Lengths, balancing: Balancing) -> None:
    """Refuse `train.forward=separate` where it would not be what it says; without a memory, say that it is nothing.

    An epoch's last batch has what is left of the experience's clips. Where a half of it is one clip, that is said.

    Args:
        model: its norms swapped.
        setup: the run's parts.
        lengths: of the experiences, with the share of a batch that comes from the memory.
        balancing: what is done about unequal classes.

    Raises:
        UserError: mixed clips, several processes, a loss that reads what passed the model last, norms that go by the
            experiences within a batch, or full batches with a half of one clip and norms by batch.
    """
    config, where, hint = setup.config, "train.forward", "use --set train.forward=joint"
    recipe = config.train
    if recipe.forward == "joint":
        return
    if not lengths.share:
        name, why = config.strategy.name, "whose batches have no clips of a memory"
        setup.reporter.note(f"train.forward=separate changes nothing for {name}, {why}.")
        return
    if config.data.mix.name != "none":
        what = f"separate with data.mix={config.data.mix.name}, which mixes current clips with those of the memory"
        raise UserError(what, where=where, legal="data.mix=none", hint=hint)
    if setup.ranks.size > 1:
        raise UserError("separate with several processes", where=where, legal="one process", hint=hint)
    if balancing.reads_forward:
        chosen = config.train.imbalance.name
        what = f"separate with {chosen}, whose loss reads what passed the model last: the memory's clips alone"
        raise UserError(what, where=where, legal="train.imbalance=none, or another method", hint=hint)
    named = {type(module).__name__ for module in model.modules() if "tasks" in needs_of(module)}
    if named:
        what = (
            f"separate with the norm {config.norm.short}: {', '.join(sorted(named))} weighs the experiences within one "
            "batch, and no half has them all"
        )
        raise UserError(what, where=where, legal="norms that are not told each clip's experience", hint=hint)
    if by_batch(model):
        _check_halves(setup, lengths)


def _check_halves(setup: Setup, lengths: Lengths) -> None:
    """Refuse full batches with a half of one clip, and name the experiences whose last batch has one."""
    config, recipe = setup.config, setup.config.train
    recalled = lengths.recalled(1)
    least = min(recalled, recipe.batch_size - recalled) // recipe.accumulate
    if least < 2:
        what = (
            f"separate with the norm {config.norm.short}, whose statistics would be of one clip: a batch of "
            f"{clips_at_once(recipe)} has {recalled // recipe.accumulate or 1} from the memory"
        )
        hint = "raise train.batch_size"
        raise UserError(what, where="train.forward", legal="two clips or more of either kind", hint=hint)
    short = [
        index + 1
        for index in range(1, len(lengths.shown))
        if has_half_of_one(*lengths.last_batch(index), recipe.accumulate)
    ]
    if short:
        setup.reporter.note(
            f"train.forward=separate: in experience {', '.join(map(str, short))} the last batch of each epoch passes a "
            f"half of one clip, and the norm {config.norm.short} takes its statistics from that clip alone."
        )


def has_half_of_one(own: int, recalled: int, accumulate: int) -> bool:
    """Whether a piece of a batch has a single clip of either kind; clips go to the pieces in turn, current ones first.

    Args:
        own: current clips of the batch.
        recalled: those from the memory.
        accumulate: pieces of a batch; one with fewer clips has as many pieces as clips.
    """
    pieces = max(min(accumulate, own + recalled), 1)
    for start in range(pieces):
        of_own = len(range(start, own, pieces))
        if 1 in (of_own, len(range(start, own + recalled, pieces)) - of_own):
            return True
    return False
