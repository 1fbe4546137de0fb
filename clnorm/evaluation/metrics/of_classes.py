"""The metrics of single classes, from the predictions that a run keeps.

A[t, c] is the accuracy, from 0 to 1, on class c after learning experience t.
"""

from clnorm.evaluation.formulas.classes import (
    HEAD,
    MID,
    TAIL,
    mean_class_accuracy,
    new_accuracy,
    old_accuracy,
    rank_group_accuracy,
)
from clnorm.evaluation.metrics.metric import Metric
from clnorm.evaluation.metrics.run_data import RunData

_PREDICTIONS = ("predictions",)


def _third(group: int, name: str, condition: str, latex: str) -> Metric:
    def compute(run: RunData) -> float:
        return rank_group_accuracy(run.class_matrix, run.last_class_experiences, run.class_train_clips, group=group)

    return Metric(
        name,
        name,
        rf"\mathrm{{A}}_{{\mathrm{{{name}}}}}",
        f"mean_c A[T,c] over classes with rank by training clips {condition}, A[T,c] on class c; ties share a rank",
        rf"\mathrm{{mean}}_c A_{{T,c}} \textrm{{ over classes with rank by training clips ${latex}$, "
        r"$A_{T,c}$ on class $c$; ties share a rank}",
        "clnorm, after Liu et al. 2019",
        True,
        compute,
        ("predictions", "unequal_classes"),
    )


CLASS_METRICS = (
    Metric(
        "mean_class_accuracy",
        "mean class",
        r"\mathrm{A}_{\mathrm{class}}",
        "mean_c A[T,c], with A[T,c] on class c",
        r"\frac{1}{C} \sum_c A_{T,c} \textrm{, with $A_{T,c}$ on class $c$ of $C$}",
        "Brodersen et al. 2010",
        True,
        lambda run: mean_class_accuracy(run.class_matrix, run.last_class_experiences),
        _PREDICTIONS,
    ),
    _third(HEAD, "head", "in the first third", r"q_c < \frac{1}{3}"),
    _third(MID, "mid", "in the second third", r"\frac{1}{3} \le q_c \le \frac{2}{3}"),
    _third(TAIL, "tail", "in the last third", r"q_c > \frac{2}{3}"),
    Metric(
        "old_accuracy",
        "old",
        r"\mathrm{A}_{\mathrm{old}}",
        "mean_{t>1} mean_c A[t,c] over classes c of experiences before t",
        r"\frac{1}{T-1} \sum_{t>1} \mathrm{mean}_{c: e_c < t} A_{t,c} "
        r"\textrm{, with $e_c$ the experience of class $c$}",
        "clnorm, after Wu et al. 2019",
        True,
        lambda run: old_accuracy(run.class_matrix, run.class_experiences),
        (*_PREDICTIONS, "stream", "own_classes"),
    ),
    Metric(
        "new_accuracy",
        "new",
        r"\mathrm{A}_{\mathrm{new}}",
        "mean_{t>1} mean_c A[t,c] over classes c of experience t",
        r"\frac{1}{T-1} \sum_{t>1} \mathrm{mean}_{c: e_c = t} A_{t,c} "
        r"\textrm{, with $e_c$ the experience of class $c$}",
        "clnorm, after Wu et al. 2019",
        True,
        lambda run: new_accuracy(run.class_matrix, run.class_experiences),
        (*_PREDICTIONS, "stream", "own_classes"),
    ),
)
