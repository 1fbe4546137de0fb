"""Metrics: every definition under its own name, with formula, source and what it needs of a run.

R[t, j] is the accuracy, from 0 to 1, on experience j after learning experience t; NaN where it was not evaluated.
"""

from clnorm.evaluation.formulas.classes import (
    accuracies_by_age,
    mean_class_accuracy,
    new_accuracy,
    old_accuracy,
    rank_group_accuracy,
)
from clnorm.evaluation.formulas.matrix import (
    accuracy,
    average_incremental_accuracy,
    base_drop,
    bwf,
    bwt,
    forgetting,
    fwt,
    learning_accuracy,
    retention,
    tcd_forgetting,
    vclimb_forgetting,
)
from clnorm.evaluation.formulas.predictions import (
    expected_calibration_error,
    new_as_old,
    old_as_new,
    task_confusion,
    within_task_error,
)
from clnorm.evaluation.formulas.steps import minimum_accuracy, worst_case_accuracy
from clnorm.evaluation.metrics.metric import Metric, evaluate
from clnorm.evaluation.metrics.needs import NEEDS
from clnorm.evaluation.metrics.registry import METRICS, compute, find_metric, list_metrics, register_metric
from clnorm.evaluation.metrics.run_data import RunData

__all__ = [
    "METRICS",
    "NEEDS",
    "Metric",
    "RunData",
    "accuracies_by_age",
    "accuracy",
    "average_incremental_accuracy",
    "base_drop",
    "bwf",
    "bwt",
    "compute",
    "evaluate",
    "expected_calibration_error",
    "find_metric",
    "forgetting",
    "fwt",
    "learning_accuracy",
    "list_metrics",
    "mean_class_accuracy",
    "minimum_accuracy",
    "new_accuracy",
    "new_as_old",
    "old_accuracy",
    "old_as_new",
    "rank_group_accuracy",
    "register_metric",
    "retention",
    "task_confusion",
    "tcd_forgetting",
    "vclimb_forgetting",
    "within_task_error",
    "worst_case_accuracy",
]
