"""Losses for classes that batches hold unequally often.

They go by n_c, the clips of class c that one epoch shows: each of the experience's clips once, and each in memory as
often as replay draws it. n_c over their sum is the prior P(y = c) of the batches, which is what the derivations of
these losses ask for; it follows replay's share, and a class that neither experience nor memory hold has n_c = 0.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from clnorm.training.imbalance.base import Balancing, smoothed_targets
from clnorm.training.setup import Setup


class LogitAdjustment(Balancing):
    """The cross-entropy of logits z_c + tau log P(y = c): -log ( pi_y^tau e^z_y / sum_c pi_c^tau e^z_c ).

    A class that no clip of the batches has gets no term in that sum, as pi_c = 0 says: without a memory, the classes
    of earlier experiences are neither pushed down nor up. Smoothing spreads over the classes of the sum. Predictions
    use the plain logits.

    Sources: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, eq. 10; with tau = 1 it is Ren et al.,
    "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020, eq. 3.
    """

    def __init__(self, setup: Setup, *, tau: float = 1.0) -> None:
        super().__init__(setup)
        self.tau = tau

    def loss(self, logits: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        shown = self.shown[: logits.shape[1]]
        present = shown.nonzero().flatten()
        place = torch.empty_like(shown, dtype=torch.int64)
        place[present] = torch.arange(len(present), device=place.device)
        prior = shown[present] / shown.sum()
        return F.cross_entropy(logits[:, present] + self.tau * prior.log(), place[targets], label_smoothing=smoothing)


class ClassBalanced(Balancing):
    """The cross-entropy of a clip of class c times w_c, in proportion to (1 - beta) / (1 - beta^n_c).

    The weights of the C classes shown add up to C. beta = 0 is the plain cross-entropy; towards 1 the weights are those
    of the inverse frequency. n_c counts draws, so that both hold with a memory, too.

    Source: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, eq. 4.
    """

    def __init__(self, setup: Setup, *, beta: float = 0.999) -> None:
        super().__init__(setup)
        self.beta = beta

    def loss(self, logits: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        return weighted_cross_entropy(logits, targets, effective_weights(self.shown, self.beta), smoothing=smoothing)


class Focal(Balancing):
    """The focal loss, -(1 - p_y)^gamma log p_y with p the softmax; gamma = 0 is the plain cross-entropy.

    It goes by how hard a clip is, not by counts, and has no weights of classes (the paper's alpha). With smoothed
    targets q it is -sum_c q_c (1 - p_c)^gamma log p_c.

    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. 4.
    """

    def __init__(self, setup: Setup, *, gamma: float = 2.0) -> None:
        super().__init__(setup)
        self.gamma = gamma

    def loss(self, logits: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        log_p = F.log_softmax(logits, dim=1)
        # 1 - p without cancellation; above zero, where a power below 1 has no gradient.
        missing = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        wanted = smoothed_targets(targets, classes=logits.shape[1], smoothing=smoothing)
        return -(wanted * missing**self.gamma * log_p).sum(dim=1).mean()


def effective_weights(shown: Tensor, beta: float) -> Tensor:
    """w_c = (1 - beta) / (1 - beta^n_c), made to add up to the number of classes with n_c > 0; 0 for the others.

    Args:
        shown: (classes,) n_c.
        beta: from 0 to below 1.
    """
    counts = shown.double()
    weights = torch.where(counts > 0, (1 - beta) / (1 - beta**counts), 0.0)
    return (weights / weights.sum() * (counts > 0).sum()).to(shown.dtype)


def weighted_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor, *, smoothing: float) -> Tensor:
    """The mean over clips of the weight of a clip's class times its cross-entropy; (B, C), (B,), (at least C,)."""
    return (weights[targets] * F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")).mean()
