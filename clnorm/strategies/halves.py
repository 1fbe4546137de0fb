"""What strategies share whose loss treats current clips and those of the memory in different ways."""

from torch import Tensor, nn

from clnorm.config.config import Config
from clnorm.errors import UserError
from clnorm.norms.running import statistics_of
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


def require_running(model: nn.Module, config: Config) -> None:
    """Refuse running statistics that nothing ever estimates: a method reads clips by them.

    Raises:
        UserError: they are used by no evaluation (`eval=batch`), and stay 0 and 1.
    """
    statistics = statistics_of(model)
    if statistics.update == "none" and statistics.recalibrate == "none" and not config.model.calibrate:
        what = f"update=none with the strategy {config.strategy.name}, which reads clips by running statistics, and "
        hint = "add --set model.calibrate=true"
        raise UserError(f"{what}these are never estimated", where=f"norm {config.norm.short}", hint=hint)
