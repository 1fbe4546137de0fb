"""The metrics of single predictions after the last experience: what clips are taken for, and how surely.

In formulas e(c) is the experience of class c, y_i the class of clip i and p_i the one predicted for it.
"""

import numpy as np
import numpy.typing as npt

from clnorm.evaluation.formulas.predictions import (
    expected_calibration_error,
    new_as_old,
    old_as_new,
    task_confusion,
    within_task_error,
)
from clnorm.evaluation.metrics.metric import Metric
from clnorm.evaluation.metrics.run_data import Ints, RunData

_OF_EXPERIENCES = ("predictions", "own_classes")
_OLD_AND_NEW = ("predictions", "stream", "own_classes")
_LETTERS = "with e(c) the experience of class c, y_i the class of clip i, p_i the one predicted for it"
_LATEX_LETTERS = (
    r"\textrm{, with $e(c)$ the experience of class $c$, $y_i$ the class of clip $i$, $\hat{y}_i$ the one predicted}"
)


def _experiences(run: RunData) -> tuple[Ints, Ints]:
    """Of each clip after the last step: the experience of its class, and of the class predicted for it."""
    rows = run.last_predictions
    return run.experiences_of(rows["label"]), run.experiences_of(rows["predicted"])


def _correct(run: RunData) -> npt.NDArray[np.bool_]:
    rows = run.last_predictions
    right: npt.NDArray[np.bool_] = rows["label"].to_numpy() == rows["predicted"].to_numpy()
    return right


PREDICTION_METRICS = (
    Metric(
        "old_as_new",
        "old as new",
        r"\mathrm{C}_{\mathrm{old} \rightarrow \mathrm{new}}",
        f"mean_{{i: e(y_i)<T}} [ e(p_i) = T ], {_LETTERS}",
        r"\mathrm{mean}_{i: e(y_i) < T} [ e(\hat{y}_i) = T ]" + _LATEX_LETTERS,
        "clnorm, after Wu et al. 2019",
        False,
        lambda run: old_as_new(*_experiences(run), newest=len(run.experiences) - 1),
        _OLD_AND_NEW,
    ),
    Metric(
        "new_as_old",
        "new as old",
        r"\mathrm{C}_{\mathrm{new} \rightarrow \mathrm{old}}",
        f"mean_{{i: e(y_i)=T}} [ e(p_i) < T ], {_LETTERS}",
        r"\mathrm{mean}_{i: e(y_i) = T} [ e(\hat{y}_i) < T ]" + _LATEX_LETTERS,
        "clnorm, after Wu et al. 2019",
        False,
        lambda run: new_as_old(*_experiences(run), newest=len(run.experiences) - 1),
        _OLD_AND_NEW,
    ),
    Metric(
        "task_confusion",
        "task confusion",
        r"\mathrm{E}_{\mathrm{between}}",
        f"mean_i [ e(p_i) != e(y_i) ] after T, {_LETTERS}",
        r"\frac{1}{N} \sum_i [ e(\hat{y}_i) \ne e(y_i) ]" + _LATEX_LETTERS,
        "clnorm, after Masana et al. 2023",
        False,
        lambda run: task_confusion(*_experiences(run)),
        _OF_EXPERIENCES,
    ),
    Metric(
        "within_task_error",
        "within-task error",
        r"\mathrm{E}_{\mathrm{within}}",
        f"mean_i [ e(p_i) = e(y_i) and p_i != y_i ] after T, {_LETTERS}",
        r"\frac{1}{N} \sum_i [ e(\hat{y}_i) = e(y_i) ] [ \hat{y}_i \ne y_i ]" + _LATEX_LETTERS,
        "clnorm, after Masana et al. 2023",
        False,
        lambda run: within_task_error(*_experiences(run), _correct(run)),
        _OF_EXPERIENCES,
    ),
    Metric(
        "expected_calibration_error",
        "ECE",
        r"\mathrm{ECE}",
        "sum_b n_b / N | accuracy_b - confidence_b | over 15 bins of confidence of equal width, after T",
        r"\sum_b \frac{n_b}{N} | \mathrm{acc}_b - \mathrm{conf}_b | "
        r"\textrm{ over 15 bins of confidence of equal width}",
        "Guo et al. 2017",
        False,
        lambda run: expected_calibration_error(run.last_predictions["confidence"], _correct(run)),
        ("predictions.confidence",),
    ),
)
