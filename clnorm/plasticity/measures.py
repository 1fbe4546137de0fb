"""The measures of plasticity: pure functions of a site's features H (n, C), n positions of C units, and of weights.

All of them compute in float64.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

TAU = 0.025
"""A unit is dormant whose score is at most this."""

COSINE = 0.95
"""Two units are duplicates whose cosine is above this."""


def dormant_share(features: Tensor, *, tau: float = TAU) -> float:
    """The share of units with s_i <= tau, where s_i = mean |h_i| / (1/C sum_k mean |h_k|), means over the positions.

    Source: Sokar et al., "The Dormant Neuron Phenomenon in Deep Reinforcement Learning", ICML 2023, definition 3.1.
    Where all units are zero, all are dormant.
    """
    activity = features.double().abs().mean(dim=0)
    return float((activity <= tau * activity.mean()).double().mean())


def gram(features: Tensor) -> Tensor:
    """H^T H, (C, C) float64, of which the following functions are functions."""
    wide = features.double()
    return wide.T @ wide


def duplicate_share(products: Tensor, *, cosine: float = COSINE) -> float:
    """The share of units that a later unit points in the same direction as: cos(h_i, h_j) > cosine for some j > i.

    Of k units that are alike, k - 1 count. A unit that is zero has no direction and is no duplicate.

    Source: Joudaki et al., arXiv 2510.00304, 2025, as the published code computes it.

    Args:
        products: `gram` of the features.
        cosine: the threshold.
    """
    lengths = products.diagonal().sqrt()
    cosines = products / torch.outer(lengths, lengths).clamp(min=torch.finfo(torch.float64).tiny)
    return float((cosines > cosine).triu(diagonal=1).any(dim=1).double().mean())


def singular_values(products: Tensor) -> Tensor:
    """(C,) the singular values of the features, ascending; below 1e-8 of the largest they are rounding."""
    values: Tensor = torch.linalg.eigvalsh(products)
    return values.clamp(min=0).sqrt()


def effective_rank(singular: Tensor) -> float:
    """exp(-sum_k p_k ln p_k) with p_k = sigma_k / sum sigma: between 1 and C; 0 where all features are zero.

    Source: Roy and Vetterli, "The Effective Rank: A Measure of Effective Dimensionality", EUSIPCO 2007.
    """
    total = singular.sum()
    if not total:
        return 0.0
    shares = singular / total
    return float(torch.special.entr(shares).sum().exp())


def stable_rank(singular: Tensor) -> float:
    """|H|_F^2 / |H|_2^2 = sum_k sigma_k^2 / max_k sigma_k^2: between 1 and C; 0 where all features are zero.

    Source: Rudelson and Vershynin, "Sampling from Large Matrices", Journal of the ACM 2007.
    """
    squares = singular.square()
    return float(squares.sum() / squares.max()) if squares.max() else 0.0


def joint_norm(tensors: Iterable[Tensor]) -> float:
    """sqrt(sum of all squares): the norm of several tensors as one vector; NaN where there is none."""
    squares = [tensor.detach().double().square().sum() for tensor in tensors]
    return float(torch.stack(squares).sum().sqrt()) if squares else float("nan")


def effective_rate(rate: float, weight_norm: float) -> float:
    """rate / |W|; NaN where |W| is zero or undefined.

    Before a norm the scale of W is without effect, and a step of Adam is about as long whatever the gradient's length,
    so that this is how far a step turns W, up to a constant. (A step of SGD turns it by rate / |W|^2.)

    Source: van Laarhoven, "L2 Regularization versus Batch and Weight Normalization", arXiv 1706.05350, 2017; that it
    falls as weights grow, and with it the ability to learn: Lyle et al., "Normalization and effective learning rates in
    reinforcement learning", arXiv 2407.01800, 2024.
    """
    return rate / weight_norm if weight_norm > 0 else float("nan")


def drift(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor]) -> float:
    """How far the means and variances (C,) of C units moved, in units of their spread.

        sqrt( sum_c [(m'_c - m_c)^2 + (s'_c - s_c)^2] / sum_c (s_c^2 + s'_c^2) / 2 ),  s = sqrt(var)

    The numerator is the squared 2-Wasserstein distance of two Gaussians of these moments, with independent units
    (Dowson and Landau, Journal of Multivariate Analysis 1982). 0 where nothing moved, infinite where no unit has a
    spread.
    """
    (mean, var), (next_mean, next_var) = ([part.double().flatten() for part in pair] for pair in (before, after))
    moved = (next_mean - mean).square() + (next_var.sqrt() - var.sqrt()).square()
    return float((moved.sum() / ((var + next_var).sum() / 2)).sqrt()) if moved.any() else 0.0
