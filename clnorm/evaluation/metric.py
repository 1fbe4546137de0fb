"""What a metric is: its definition, and what it is computed from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy.typing as npt

from clnorm.evaluation.formulas import Weights


@dataclass(frozen=True)
class ClassContext:
    """What metrics of single classes need; classes are in the order of their ids.

    Args:
        accuracies: the accuracy on each class after each training step, shape (steps, classes); NaN where it was not
            evaluated.
        experiences: the experience that brings each class, shape (classes,).
        train_clips: training clips of each class, shape (classes,).
    """

    accuracies: npt.ArrayLike
    experiences: npt.ArrayLike
    train_clips: npt.ArrayLike


@dataclass(frozen=True)
class MatrixContext:
    """What some metrics need beside R.

    Args:
        clips_per_experience: test clips of each experience, shape (n,).
        classes_per_experience: classes of each experience, shape (n,).
        untrained: the accuracy on each experience before any training, shape (n,), where it was measured.
        joint: the matrix of joint training under the same conditions, shape (1, n), where it is known. A run's record
            cannot know it; `load_results` fills retention in where joint training was run too.
        classes: what is known of single classes, where it is.
    """

    clips_per_experience: Weights
    classes_per_experience: Weights
    untrained: Weights | None = None
    joint: npt.ArrayLike | None = None
    classes: ClassContext | None = None


@dataclass(frozen=True)
class Metric:
    """One definition: how it is called and written, where it comes from, and how it is computed.

    Args:
        key: the name in records and options.
        title: the heading in plain text.
        symbol: the heading in LaTeX's math mode.
        formula: the definition in plain text.
        formula_latex: the definition in LaTeX's math mode.
        source: the citation.
        higher_is_better: which end is the good one.
        function: R and its context to the value.
    """

    key: str
    title: str
    symbol: str
    formula: str
    formula_latex: str
    source: str
    higher_is_better: bool
    function: Callable[[npt.ArrayLike, MatrixContext], float]
