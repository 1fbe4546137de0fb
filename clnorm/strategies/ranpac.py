"""RanPAC: ridge regression from random features of a frozen backbone, solved anew after each experience.

    h = max(0, P f(x)),  G <- G + sum h h^T,  C <- C + sum h y^T,  W = (G + ridge I)^-1 C

with P a fixed random projection to M features and y the one-hot class. The ridge is chosen after each experience: of
10^-8, 10^-7, ..., 10^8 the one with the least squared error on a fifth of the experience's clips when W is fitted to
the rest of them. Source: McDonnell et al., "RanPAC: Random Projections and Pre-trained Models for Continual Learning",
NeurIPS 2023, eq. 4 to 6 and algorithm 1, and for the choice of the ridge its published code.
"""

from typing import Any

import numpy as np
import torch

from clnorm.models.heads import RandomFeatureHead, use_random_features
from clnorm.seeding import torch_generator
from clnorm.strategies.frozen import ClosedFormHead, Floats, Ints, check_frozen, require_linear_head
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy

RIDGES = 10.0 ** np.arange(-8, 9)
_FITTED = 0.8  # of an experience's clips, while the ridge is chosen


class RandomRidge(ClosedFormHead, supports_distributed=True):
    """Keeps the Gram matrix of the random features, and their sum for each class.

    Args:
        classes: of the dataset.
        head: whose projection makes the random features.
    """

    first_as_naive = False  # the first experience trains on random features, too

    def __init__(self, classes: int, head: RandomFeatureHead) -> None:
        super().__init__()
        self._head = head  # its projection moves with the model, and is loaded with it
        self.gram, self.sums = np.zeros((head.features, head.features)), np.zeros((head.features, classes))
        self.ridge = 1.0

    def learn(self, features: Floats, targets: Ints, *, generator: np.random.Generator) -> None:
        hidden = np.maximum(features @ self._head.projection.cpu().double().numpy().T, 0)
        wanted = np.eye(self.sums.shape[1])[targets]
        order = generator.permutation(len(hidden))
        self.ridge = choose_ridge(hidden[order], wanted[order])
        self.gram += hidden.T @ hidden
        self.sums += hidden.T @ wanted

    def solve(self, classes: int) -> tuple[Floats, Floats]:
        system = self.gram + self.ridge * np.eye(len(self.gram))
        return np.linalg.solve(system, self.sums[:, :classes]).T, np.zeros(classes)

    def state_dict(self) -> dict[str, Any]:
        return {"gram": torch.as_tensor(self.gram), "sums": torch.as_tensor(self.sums), "ridge": self.ridge}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.gram, self.sums = (state[name].double().numpy() for name in ("gram", "sums"))
        self.ridge = float(state["ridge"])


def choose_ridge(hidden: Floats, wanted: Floats) -> float:
    """The ridge with the least squared error on the last fifth of the clips, fitted to those before it; 1 of one clip.

    Args:
        hidden: (n, M) random features, in random order.
        wanted: (n, classes) one-hot.
    """
    count = max(int(_FITTED * len(hidden)), 1)
    fitted, left = hidden[:count], hidden[count:]
    if not len(left):
        return 1.0
    values, vectors = np.linalg.eigh(fitted.T @ fitted)
    projected, shown = vectors.T @ (fitted.T @ wanted[:count]), left @ vectors
    errors = []
    for ridge in RIDGES:
        predicted = shown @ (projected / (np.maximum(values, 0) + ridge)[:, None])
        errors.append(float(((predicted - wanted[count:]) ** 2).mean()))
    return float(RIDGES[int(np.argmin(errors))])


def ranpac(setup: Setup, *, features: int = 1000, adapt: str = "first") -> ClipStrategy:
    """Ridge regression from random features of a frozen backbone."""
    check_frozen(setup, adapt=adapt)
    require_linear_head(setup.model)
    use_random_features(setup.model, features, generator=torch_generator(setup.config.seed, "random features"))
    method = RandomRidge(setup.stream.num_classes, setup.model.head)  # type: ignore[arg-type]
    return ClipStrategy(setup=setup, plugins=[method], trained=1 if adapt == "first" else 0)
