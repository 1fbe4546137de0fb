"""The metrics of the accuracy matrix R: every definition under its own name, with formula and source.

R[t, j] is the accuracy, from 0 to 1, on experience j after learning experience t; NaN where it was not evaluated.
In formulas t and j are counted from 1 to T, the number of experiences, as in tables; arrays begin at 0.
"""

from types import MappingProxyType

import numpy.typing as npt

from clnorm.evaluation.class_metrics import CLASS_METRICS
from clnorm.evaluation.formulas import (
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
from clnorm.evaluation.metric import ClassContext, MatrixContext, Metric

__all__ = [
    "METRICS",
    "ClassContext",
    "MatrixContext",
    "Metric",
    "accuracy",
    "average_incremental_accuracy",
    "base_drop",
    "bwf",
    "bwt",
    "compute",
    "forgetting",
    "fwt",
    "learning_accuracy",
    "retention",
    "tcd_forgetting",
    "vclimb_forgetting",
]


_LOPEZ_PAZ = "Lopez-Paz and Ranzato 2017"
_DEFINITIONS = (
    Metric(
        "accuracy",
        "ACC",
        r"\mathrm{ACC}",
        "mean_j R[T,j]",
        r"\frac{1}{T} \sum_{j \le T} R_{T,j}",
        _LOPEZ_PAZ,
        True,
        lambda R, _: accuracy(R),
    ),
    Metric(
        "average_incremental_accuracy",
        "A-bar",
        r"\bar{A}",
        "mean_t sum_{j<=t} n_j R[t,j] / sum_{j<=t} n_j, with n_j test clips",
        r"\frac{1}{T} \sum_t \sum_{j \le t} n_j R_{t,j} / \sum_{j \le t} n_j \textrm{, with $n_j$ test clips}",
        "Rebuffi et al. 2017",
        True,
        lambda R, context: average_incremental_accuracy(R, context.clips_per_experience),
    ),
    Metric(
        "average_incremental_accuracy_macro",
        "A-bar macro",
        r"\bar{A}_{\mathrm{macro}}",
        "mean_t mean_{j<=t} R[t,j]",
        r"\frac{1}{T} \sum_t \frac{1}{t} \sum_{j \le t} R_{t,j}",
        "Wang et al. 2024",
        True,
        lambda R, _: average_incremental_accuracy(R),
    ),
    Metric(
        "forgetting",
        "forgetting",
        r"\mathrm{F}",
        "mean_{j<T} ( max_{j<=t<T} R[t,j] - R[T,j] )",
        r"\frac{1}{T-1} \sum_{j<T} ( \max_{j \le t < T} R_{t,j} - R_{T,j} )",
        "Chaudhry et al. 2018",
        False,
        lambda R, _: forgetting(R),
    ),
    Metric(
        "bwt",
        "BWT",
        r"\mathrm{BWT}",
        "mean_{j<T} ( R[T,j] - R[j,j] )",
        r"\frac{1}{T-1} \sum_{j<T} ( R_{T,j} - R_{j,j} )",
        _LOPEZ_PAZ,
        True,
        lambda R, _: bwt(R),
    ),
    Metric(
        "bwf",
        "BWF",
        r"\mathrm{BWF}",
        "mean_{j<T} ( R[j,j] - R[T,j] )",
        r"\frac{1}{T-1} \sum_{j<T} ( R_{j,j} - R_{T,j} )",
        "Villa et al. 2022, as printed",
        False,
        lambda R, _: bwf(R),
    ),
    Metric(
        "vclimb_forgetting",
        "vCLIMB forgetting",
        r"\mathrm{F}_{\mathrm{vCLIMB}}",
        "sum_{j<T} c_j ( R[j,j] - R[T,j] ) / sum_{j<T} c_j, with c_j classes",
        r"\sum_{j<T} c_j ( R_{j,j} - R_{T,j} ) / \sum_{j<T} c_j \textrm{, with $c_j$ classes}",
        "Villa et al. 2022, published code",
        False,
        lambda R, context: vclimb_forgetting(R, context.classes_per_experience),
    ),
    Metric(
        "tcd_forgetting",
        "TCD forgetting",
        r"\mathrm{F}_{\mathrm{TCD}}",
        "mean_{t>1} sum_{j<t} n_j ( R[t-1,j] - R[t,j] ) / sum_{j<t} n_j, with n_j test clips",
        r"\frac{1}{T-1} \sum_{t>1} \sum_{j<t} n_j ( R_{t-1,j} - R_{t,j} ) / \sum_{j<t} n_j "
        r"\textrm{, with $n_j$ test clips}",
        "Park et al. 2021, published code",
        False,
        lambda R, context: tcd_forgetting(R, context.clips_per_experience),
    ),
    Metric(
        "base_drop",
        "base drop",
        r"\mathrm{BD}",
        "R[1,1] - R[T,1]",
        r"R_{1,1} - R_{T,1}",
        "clnorm",
        False,
        lambda R, _: base_drop(R),
    ),
    Metric(
        "fwt",
        "FWT",
        r"\mathrm{FWT}",
        "mean_{j>1} ( R[j-1,j] - u_j ), with u_j before any training",
        r"\frac{1}{T-1} \sum_{j>1} ( R_{j-1,j} - u_j ) \textrm{, with $u_j$ before any training}",
        _LOPEZ_PAZ,
        True,
        lambda R, context: fwt(R, context.untrained),
    ),
    Metric(
        "learning_accuracy",
        "LA",
        r"\mathrm{LA}",
        "mean_j R[j,j]",
        r"\frac{1}{T} \sum_{j \le T} R_{j,j}",
        "Riemer et al. 2019",
        True,
        lambda R, _: learning_accuracy(R),
    ),
    Metric(
        "retention",
        "retention",
        r"\rho",
        "A-bar / A-bar of joint training",
        r"\bar{A} / \bar{A}_{\mathrm{joint}}",
        "clnorm",
        True,
        lambda R, context: retention(R, context.joint, context.clips_per_experience),
    ),
)
METRICS = MappingProxyType({metric.key: metric for metric in (*_DEFINITIONS, *CLASS_METRICS)})


def compute(R: npt.ArrayLike, context: MatrixContext) -> dict[str, float]:
    """Every metric of R by key, in the order of display; NaN where one is undefined or lacks an entry."""
    return {key: metric.function(R, context) for key, metric in METRICS.items()}
