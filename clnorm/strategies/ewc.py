"""Elastic Weight Consolidation with a Fisher information that does not depend on any batch size.

After experience k with weights theta*_k and diagonal Fisher F_k:

    accumulated   L + lam/2 sum_k sum_i F_k,i (theta_i - theta*_k,i)^2
    online        L + lam/2 sum_i F~_i (theta_i - theta*_i)^2,   F~ = gamma F~ + F_k,   theta* the latest weights

Sources: Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017, eq. 3, a penalty for
each experience; their sum is one quadratic form, which is what is kept, so that memory does not grow. Schwarz et al.,
"Progress & Compress: A scalable framework for continual learning", ICML 2018, online EWC.

    empirical   F = 1/n sum_i (d log p(y_i | x_i))^2, y_i the clip's own class
    exact       F = 1/n sum_i sum_y p(y | x_i) (d log p(y | x_i))^2, y over the classes seen
    avalanche   F = 1/b sum_b (d 1/|b| sum_{i in b} log p(y_i | x_i))^2, b the batches of an epoch, unshuffled

The first two are means over *single* clips. The third is Avalanche's own, by which published numbers were made: it
squares the gradient of a batch's mean, so that it shrinks as `train.batch_size` grows, and its penalty has no 1/2.
"""

from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from clnorm.errors import UserError
from clnorm.strategies.importance import (
    Scalars,
    mean_gradients_of_batches,
    mean_gradients_of_clips,
    outputs_in_training,
)
from clnorm.strategies.quadratic import Named, QuadraticPenalty, QuadraticPlugin
from clnorm.training.norms.options import require_estimated
from clnorm.training.plugin import Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy

_GAMMA = 0.9


def log_likelihoods(logits: Tensor, targets: Tensor, *, outputs: slice, exact: bool) -> list[tuple[Tensor, float]]:
    """What the Fisher takes gradients of: log p of a clip's own class, or of each class weighted by its p.

    Args:
        logits: (1, classes); of several clips, the mean over them of their own classes' log p.
        targets: (1,).
        outputs: that p is the softmax over: those of the classes seen so far, or of the task where tasks are known.
        exact: which of the two.
    """
    if not exact:
        return [(-F.cross_entropy(logits[:, outputs], targets - outputs.start), 1.0)]
    log_p = F.log_softmax(logits[0, outputs], dim=0)
    return list(zip(log_p, log_p.exp().tolist(), strict=True))


class EWCPlugin(QuadraticPlugin, supports_distributed=True):
    """Measures the Fisher when an experience ends, and penalizes what moves from there.

    Args:
        lam: of the paper; the penalty is half of it, and all of it with Avalanche's Fisher.
        fisher: empirical, exact or avalanche.
        gamma: what is left of a Fisher after each further experience, of the online penalty; None for the accumulated.
    """

    first_as_naive = True

    def __init__(self, lam: float, *, fisher: str, gamma: float | None = None) -> None:
        super().__init__(QuadraticPenalty(lam if fisher == "avalanche" else lam / 2))
        self._fisher, self._gamma = fisher, gamma

    def measure(self, strategy: Training) -> Named:
        """The diagonal Fisher on the clips of the experience in training."""
        outputs, exact = outputs_in_training(strategy), self._fisher == "exact"
        scalars: Scalars = partial(log_likelihoods, outputs=outputs, exact=exact)
        if self._fisher == "avalanche":
            return mean_gradients_of_batches(strategy, scalars, power=2)
        return mean_gradients_of_clips(strategy, scalars, power=2)

    def after_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        fisher, parameters = self.measure(strategy), dict(strategy.model.named_parameters())
        if self._gamma is None:
            self.penalty.add(fisher, parameters)
            return
        before, gamma = self.penalty.importance, self._gamma
        decayed = {name: gamma * before[name] + new if before else new for name, new in fisher.items()}
        self.penalty.replace(decayed, parameters)


def ewc(
    setup: Setup,
    *,
    lam: float = 1e7,
    fisher: str = "empirical",
    mode: str = "accumulated",
    gamma: float = _GAMMA,
) -> ClipStrategy:
    """Elastic Weight Consolidation, one quadratic penalty over all past experiences.

    Raises:
        UserError: a gamma for the accumulated penalty, which has none.
    """
    if mode == "accumulated" and gamma != _GAMMA:
        what = f"gamma={gamma:g} would do nothing with mode=accumulated, which keeps every Fisher whole"
        raise UserError(what, where="strategy ewc", hint=f"write ewc:mode=online,gamma={gamma:g}")
    require_estimated(setup.model, setup.config)
    plugin = EWCPlugin(lam, fisher=fisher, gamma=gamma if mode == "online" else None)
    return ClipStrategy(setup=setup, plugins=[plugin])
