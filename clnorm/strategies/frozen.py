"""What methods on a frozen backbone share: a head that is computed from features, not trained."""

from abc import abstractmethod
from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.execution.inputs import compute_outputs, split_batches
from clnorm.models.heads import RandomFeatureHead
from clnorm.seeding import numpy_generator
from clnorm.training.norms.options import require_estimated
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy

Floats = np.ndarray
Ints = np.ndarray


class ClosedFormHead(MethodPlugin, supports_distributed=True):
    """Computes the head anew after each experience, from what it keeps of the features of all clips so far.

    The features are those of the model that is evaluated, clip by clip as they are evaluated, each seen once. The
    backbone must not change any more when the first are taken: the strategy trains the first experience at most.
    """

    first_as_naive = True

    @abstractmethod
    def learn(self, features: Floats, targets: Ints, *, generator: np.random.Generator) -> None:
        """Take in the features (n, C), float64, of an experience's clips, with their targets (n,)."""

    @abstractmethod
    def solve(self, classes: int) -> tuple[Floats, Floats]:
        """The weight (classes, C) and bias (classes,) of the classes seen so far."""

    def finish(self, strategy: Training, index: int) -> None:
        ids, setup = strategy.setup.stream.experiences[index].train_ids, strategy.setup
        generator = numpy_generator(setup.config.seed, "closed form", index)
        features = compute_features(strategy, ids)
        self.learn(features, setup.stream.targets[ids], generator=generator)
        weight, bias = self.solve(strategy.training_stream.seen_after(index))
        for model in (strategy.model, strategy.evaluated_model):
            write_head(model, weight, bias)


def compute_features(strategy: Training, ids: Ints) -> Floats:
    """(n, C) float64: the features of clips `ids` (n,) as they are evaluated, by the model that is evaluated."""
    setup, model = strategy.setup, strategy.evaluated_model
    forward = cast(Callable[[Tensor], Tensor], model.forward_features)
    batches = split_batches(ids, setup.config.eval.batch_size)
    rows = compute_outputs(model, strategy.inputs, batches, precision=setup.execution.precision, forward=forward)
    return rows.astype(np.float64)


@torch.no_grad()
def write_head(model: nn.Module, weight: Floats, bias: Floats) -> None:
    """Set the first rows of a model's head."""
    head = model.head.output if isinstance(model.head, RandomFeatureHead) else require_linear_head(model)
    head.weight[: len(weight)] = torch.as_tensor(weight).to(head.weight)
    head.bias[: len(bias)] = torch.as_tensor(bias).to(head.bias)


def require_linear_head(model: nn.Module) -> nn.Linear:
    """The head of a model of clnorm's.

    Raises:
        UserError: it is no linear layer with a bias.
    """
    head = getattr(model, "head", None)
    if not isinstance(head, nn.Linear) or head.bias is None or not hasattr(model, "forward_features"):
        what = f"{type(model).__name__} has no linear head `head` with a bias on top of `forward_features`"
        raise UserError(what, where="strategy", legal="a backbone of clnorm")
    return head


def check_frozen(setup: Setup, *, adapt: str) -> None:
    """Refuse what a head that is computed makes nothing of, or would not bear.

    Raises:
        UserError: precision below fp32, in which its outputs would be rounded away; a method for unequal classes that
            trains the head, or any where nothing is trained; tests within an experience; or statistics that nothing has
            estimated.
    """
    config, where = setup.config, f"strategy {setup.config.strategy.name}"
    if setup.execution.precision != "fp32":
        what = (
            f"its head is solved in float64, of whose outputs {setup.execution.precision} would round differences away"
        )
        raise UserError(what, where=where, legal="train.precision=fp32")
    if config.eval.every:
        what = "its head is computed when an experience ends, and predicts nothing within it"
        raise UserError(f"{what} ({config.strategy.name})", where="eval.every", legal="0")
    imbalance = config.train.imbalance.name
    if imbalance == "feature_smote" or (imbalance != "none" and adapt == "none"):
        what = "the head is computed from features" if adapt == "first" else "nothing is trained"
        raise UserError(f"{what}, so that {imbalance} has no part in it", where="train.imbalance", legal="none")
    require_estimated(setup.model, config)


def build_frozen(setup: Setup, head: Callable[[int, int], ClosedFormHead], *, adapt: str) -> ClipStrategy:
    """A strategy that trains its backbone in the first experience at most, and computes its head after each.

    Args:
        setup: the run's parts.
        head: from the number of classes and the width of the features to what computes the head.
        adapt: `first`, the first experience trains the whole model, as fine-tuning does (Panos et al., ICCV 2023);
            `none`, the backbone stays as it starts.

    Raises:
        UserError: the backbone has no linear head.
    """
    check_frozen(setup, adapt=adapt)
    method = head(setup.stream.num_classes, require_linear_head(setup.model).in_features)
    return ClipStrategy(setup=setup, plugins=[method], trained=1 if adapt == "first" else 0)
