"""Streaming linear discriminant analysis on a frozen backbone: class means and one covariance, clip by clip.

Of clip t, counted from 0, with features z and class y:

    S <- (t S + t / (t + 1) (z - mu_y)(z - mu_y)^T) / (t + 1),   mu_y <- mu_y + (z - mu_y) / (n_y + 1),
    w_c = L mu_c,  b_c = - mu_c . L mu_c / 2,   L = ((1 - shrinkage) S + shrinkage I)^-1

Source: Hayes and Kanan, "Lifelong Machine Learning with Deep Streaming Linear Discriminant Analysis", CVPR Workshops
2020, eq. 1 to 5. The paper starts the covariance from a base set; here it starts at 0, the first experience's clips
stream in like all others, and a class's first clip, whose mean is not known yet, changes no covariance.
"""

from functools import partial
from typing import Any

import numpy as np
import torch

from clnorm.strategies.frozen import ClosedFormHead, Floats, Ints, build_frozen
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class StreamingLDA(ClosedFormHead, supports_distributed=True):
    """Keeps the means, the number of clips of each class and the covariance of all.

    Args:
        classes: of the dataset.
        width: C of the features.
        shrinkage: towards the identity.
    """

    def __init__(self, classes: int, width: int, *, shrinkage: float) -> None:
        super().__init__()
        self.shrinkage = shrinkage
        self.means, self.counts = np.zeros((classes, width)), np.zeros(classes)
        self.covariance = np.zeros((width, width))

    def learn(self, features: Floats, targets: Ints, *, generator: np.random.Generator) -> None:
        for place in generator.permutation(len(features)):
            seen, label = self.counts.sum(), int(targets[place])
            difference = features[place] - self.means[label]
            # A class's first clip is its mean, and has no deviation.
            outer = np.outer(difference, difference) * (seen / (seen + 1)) * (self.counts[label] > 0)
            self.covariance = (seen * self.covariance + outer) / (seen + 1)
            self.means[label] += difference / (self.counts[label] + 1)
            self.counts[label] += 1

    def solve(self, classes: int) -> tuple[Floats, Floats]:
        width = len(self.covariance)
        shrunk = (1 - self.shrinkage) * self.covariance + self.shrinkage * np.eye(width)
        weight = np.linalg.solve(shrunk, self.means[:classes].T).T
        return weight, -(weight * self.means[:classes]).sum(axis=1) / 2

    def state_dict(self) -> dict[str, Any]:
        held = {"means": self.means, "counts": self.counts, "covariance": self.covariance}
        return {name: torch.as_tensor(value) for name, value in held.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.means, self.counts, self.covariance = (
            state[name].double().numpy() for name in ("means", "counts", "covariance")
        )


def slda(setup: Setup, *, shrinkage: float = 1e-4, adapt: str = "first") -> ClipStrategy:
    """Streaming linear discriminant analysis of frozen features."""
    return build_frozen(setup, partial(StreamingLDA, shrinkage=shrinkage), adapt=adapt)
