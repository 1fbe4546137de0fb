"""Multinomial logistic regression of some rows of a linear head, the other rows as they are."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_STEPS = 1000


@dataclass(frozen=True)
class HeadFit:
    """A fitted head.

    Args:
        weight: (classes, d).
        bias: (classes,).
        loss: the mean cross-entropy of the points, without the penalty.
        steps: of the optimizer.
        converged: whether it stopped at the minimum, not at its most steps.
    """

    weight: Floats
    bias: Floats
    loss: float
    steps: int
    converged: bool


def fit_head(points: Floats, labels: Ints, weight: Floats, bias: Floats, *, free: Ints, l2: float) -> HeadFit:
    """Minimize mean cross-entropy + l2/2 |W|^2 over the rows `free`, from where they are; a convex problem.

    W are those rows' weights on standardized features, their biases not among them. All rows take part in the
    softmax. Solved in float64 by L-BFGS (Liu and Nocedal, Mathematical Programming 1989).

    Args:
        points: (n, d) features.
        labels: (n,) rows that are their classes.
        weight: (classes, d) of the head, its rows those of the softmax.
        bias: (classes,) of the head.
        free: (m,) rows to fit.
        l2: of the penalty.
    """
    mean, spread = points.mean(axis=0), points.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    x = (points - mean) / spread
    fixed = points @ weight.T + bias  # (n, classes): what the rows that stay give
    wanted = np.zeros_like(fixed)
    wanted[np.arange(len(labels)), labels] = 1
    shape = (len(free), points.shape[1])

    def objective(theta: Floats) -> tuple[float, Floats]:
        rows, offsets = theta[: shape[0] * shape[1]].reshape(shape), theta[shape[0] * shape[1] :]
        logits = fixed.copy()
        logits[:, free] = x @ rows.T + offsets
        log_p = logits - logsumexp(logits, axis=1, keepdims=True)
        error = (np.exp(log_p) - wanted)[:, free] / len(x)
        value = -(wanted * log_p).sum() / len(x) + l2 / 2 * (rows**2).sum()
        return value, np.concatenate([(error.T @ x + l2 * rows).ravel(), error.sum(axis=0)])

    start = np.concatenate([(weight[free] * spread).ravel(), bias[free] + weight[free] @ mean])
    options = {"maxiter": _MOST_STEPS, "maxfun": 2 * _MOST_STEPS, "ftol": 1e-12, "gtol": 1e-6}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    rows, offsets = found.x[: shape[0] * shape[1]].reshape(shape), found.x[shape[0] * shape[1] :]
    fitted, moved = weight.copy(), bias.copy()
    fitted[free] = rows / spread
    moved[free] = offsets - fitted[free] @ mean
    loss = float(found.fun - l2 / 2 * (rows**2).sum())
    return HeadFit(fitted, moved, loss, int(found.nit), bool(found.success))
