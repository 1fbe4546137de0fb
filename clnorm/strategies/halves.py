"""What strategies share whose loss treats current clips and those of the memory in different ways."""

from torch import Tensor

from clnorm.config.config import Config
from clnorm.errors import UserError
from clnorm.training.batch import Batch
from clnorm.training.imbalance.base import Balancing
from clnorm.training.plugin import Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


def clip_losses(strategy: Training, logits: Tensor, batch: Batch) -> Tensor:
    """(B,) the loss of classification of B clips, each the mean over them: for a mean of a whole batch's pieces.

    Args:
        strategy: whose loss of classification counts.
        logits: (B, classes), in float32; B may be 0.
        batch: the B clips.
    """
    if not len(batch):
        return logits.sum(dim=1)
    return strategy.classify(logits, batch).expand(len(batch))


def refuse_mixing(setup: Setup) -> None:
    """Refuse mixtures: one of a current clip and one of the memory belongs to neither half.

    Raises:
        UserError: clips of a batch are mixed.
    """
    if (mix := setup.config.data.mix.name) != "none":
        what = f"{mix} with the strategy {setup.config.strategy.name}, which treats current clips and those of the "
        raise UserError(f"{what}memory apart, while it mixes them", where="data.mix", legal="none")


def refuse_other_losses(strategy: ClipStrategy, config: Config) -> ClipStrategy:
    """The strategy, unless `train.imbalance` names a loss, which it would not train by.

    Raises:
        UserError: it does.
    """
    if type(strategy.balancing).loss is not Balancing.loss:
        what = f"{config.train.imbalance.name} is a loss of its own, and so is that of the strategy"
        legal = "none, a sampler such as balanced, or feature_smote"
        raise UserError(f"{what} {config.strategy.name}", where="train.imbalance", legal=legal)
    return strategy


def refuse_exchanged(setup: Setup, why: str) -> None:
    """Refuse an augmentation by which a flip changes a clip's class (`mirrored`).

    Args:
        setup: the run's parts.
        why: what the strategy keeps of a clip's class.

    Raises:
        UserError: there is such an augmentation.
    """
    spec = setup.config.data.augment
    own = bool(spec.entry.source) and hasattr(setup.augment, "exchange_counts")
    if own or spec.kwargs.get("mirrored", "none") != "none":
        what = f"{spec.name} changes the class of clips that it flips, and {setup.config.strategy.name} {why}"
        raise UserError(
            what, where="data.augment", legal="mirrored=none; unflipped=... leaves such classes as they are"
        )
