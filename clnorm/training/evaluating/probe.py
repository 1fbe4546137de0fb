"""A linear probe: what the best linear head could tell apart by the features as they are."""

from dataclasses import dataclass

import numpy as np

from clnorm.training.imbalance.head_fit import HeadFit, fit_head


@dataclass(frozen=True)
class TrainingClips:
    """What a model makes of training clips.

    Args:
        features: (n, d).
        targets: (n,) the outputs that stand for their classes.
    """

    features: np.ndarray
    targets: np.ndarray


def fit_probe(training: TrainingClips, *, classes: int) -> HeadFit:
    """Multinomial logistic regression from zero on standardized features, with the penalty |W|^2 / 2n.

    That is scikit-learn's default strength, C=1. Source of the measure: Davari et al., "Probing Representation
    Forgetting in Supervised and Unsupervised Continual Learning", CVPR 2022.

    Args:
        training: the clips.
        classes: how many outputs, the first ones, take part.
    """
    points = training.features.astype(np.float64)
    weight, bias = np.zeros((classes, points.shape[1])), np.zeros(classes)
    return fit_head(points, training.targets, weight, bias, free=np.arange(classes), l2=1 / len(points))
