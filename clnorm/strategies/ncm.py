"""Nearest class mean on a frozen backbone: no head is trained, and nothing is forgotten.

    predicted = argmin_c || f(x) - mu_c ||^2 = argmax_c  2 mu_c . f(x) - || mu_c ||^2

with mu_c the mean of the features f of all training clips of class c: a linear head. Source: Mensink et al.,
"Distance-Based Image Classification: Generalizing to New Classes at Near-Zero Cost", TPAMI 2013.
"""

from typing import Any

import numpy as np
import torch

from clnorm.strategies.frozen import ClosedFormHead, Floats, Ints, build_frozen
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy


class NearestMean(ClosedFormHead, supports_distributed=True):
    """Keeps the sum and the number of each class's features.

    Args:
        classes: of the dataset.
        width: C of the features.
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.sums, self.counts = np.zeros((classes, width)), np.zeros(classes)

    @property
    def means(self) -> Floats:
        """(classes, C); 0 for a class without clips."""
        return self.sums / np.maximum(self.counts, 1)[:, None]

    def learn(self, features: Floats, targets: Ints, *, generator: np.random.Generator) -> None:
        np.add.at(self.sums, targets, features)
        np.add.at(self.counts, targets, 1)

    def solve(self, classes: int) -> tuple[Floats, Floats]:
        means = self.means[:classes]
        return 2 * means, -(means**2).sum(axis=1)

    def state_dict(self) -> dict[str, Any]:
        return {"sums": torch.as_tensor(self.sums), "counts": torch.as_tensor(self.counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sums, self.counts = (state[name].double().numpy() for name in ("sums", "counts"))


def ncm(setup: Setup, *, adapt: str = "first") -> ClipStrategy:
    """The nearest class mean of frozen features."""
    return build_frozen(setup, NearestMean, adapt=adapt)
