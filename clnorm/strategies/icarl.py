"""iCaRL: binary cross-entropies with the old model's outputs for old classes, exemplars by herding, nearest mean.

With g_y(x) = sigmoid(h_y(x)), the classes 1..s-1 known before the experience and s..t its own, and q the old model's
outputs, the loss of current clips and exemplars alike is the mean over them of (algorithm 3)

    - sum_{y=s..t} [y = y_i] log g_y(x_i) + [y != y_i] log(1 - g_y(x_i))
    - sum_{y<s}        q_i^y log g_y(x_i) + (1 - q_i^y)    log(1 - g_y(x_i))

Exemplars are chosen by herding (algorithm 4, `clnorm.memory.herding`), and a test clip gets the class whose exemplars'
mean is nearest to it in the space of normalized features (algorithm 1).

q_i are the outputs for a clip as it is trained, augmented and mixed, in evaluation mode. `train.loss=all` adds the
outputs of classes to come, each with the target 0. Label smoothing is of the targets of the experience's own classes,
1 - smoothing + smoothing / C and smoothing / C with C classes in the sum; those of the old model are soft already. The
targets of a mixture are the mixture of both clips' targets. The paper trains by SGD with a learning rate of 2 that
falls in steps; here the recipe is that of all strategies.

Source: Rebuffi et al., "iCaRL: Incremental Classifier and Representation Learning", CVPR 2017.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.strategies.halves import refuse_exchanged, refuse_other_losses
from clnorm.strategies.old_model import OldModel
from clnorm.streams.stream import ClipStream
from clnorm.training.imbalance.base import smoothed_targets
from clnorm.training.norms.options import require_estimated
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.remembering import create_memory
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class ICaRLPlugin(MethodPlugin, supports_distributed=True):
    """Gives the loss, with the outputs of the model before the experience.

    Args:
        model: the run's.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._old = OldModel(model)

    def before_train_dataset_adaptation(self, strategy: Training, **kwargs: Any) -> None:
        self._old.renew(strategy)

    def loss(self, strategy: Training, logits: Tensor) -> Tensor:
        batch, recipe, known = strategy.batch, strategy.setup.config.train, self._old.knows
        allowed = logits[:, : strategy.seen_classes] if recipe.loss == "seen" else logits
        own, partners = (
            smoothed_targets(of_clips, classes=allowed.shape[1], smoothing=recipe.label_smoothing)
            for of_clips in (batch.targets, batch.partners)
        )
        wanted = torch.lerp(partners, own, batch.own_share).to(allowed.dtype)
        if known:
            wanted[:, :known] = torch.sigmoid(self._old.outputs(strategy))
        return F.binary_cross_entropy_with_logits(allowed, wanted, reduction="none").sum(dim=1).mean()

    def state_dict(self) -> dict[str, Any]:
        return self._old.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._old.load_state_dict(state)


def icarl(
    setup: Setup,
    *,
    per_class: int | str = 5,
    share: float = 0.5,
    total: int | str = "none",
    select: str = "herding",
) -> ClipStrategy:
    """Incremental classifier and representation learning.

    Raises:
        UserError: clips of classes that came before, or fine-tuning by another loss.
    """
    _require_new_classes(setup.stream)
    refuse_exchanged(setup, "takes the targets of known classes from the old model alone")
    if setup.config.train.imbalance.name == "feature_smote":
        what = "feature_smote fits the head by a softmax over classes, and icarl trains a sigmoid for each"
        raise UserError(what, where="train.imbalance", legal="none, or a sampler such as balanced")
    if setup.config.train.balanced_epochs:
        what = "icarl trains a sigmoid for each class, which fine-tuning by a cross-entropy over classes would not keep"
        raise UserError(what, where="train.balanced_epochs", legal="0")
    require_estimated(setup.model, setup.config)
    memory = create_memory(setup, per_class=per_class, total=total, select=select)
    method = ICaRLPlugin(setup.model)
    strategy = ClipStrategy(
        setup=setup, plugins=[method], share=share, exemplars=memory, loss=method.loss, classifier="nme"
    )
    return refuse_other_losses(strategy, setup.config)


def _require_new_classes(stream: ClipStream) -> None:
    if stream.knows_tasks:
        what = "icarl trains a sigmoid for each class of all experiences, whose tasks it does not go by"
        raise UserError(what, where="protocol", legal="one that hides tasks, such as even", hint="use replay")
    for experience in stream.experiences[1:]:
        if (stream.targets[experience.train_ids] < stream.seen_after(experience.index - 1)).any():
            what = "icarl takes the targets of known classes from the old model alone, and experience "
            what += f"{experience.index + 1} has clips of such classes"
            raise UserError(what, where="protocol", legal="experiences whose classes are all new", hint="use replay")
