"""The metrics of further evaluations: by nearest means, every few steps, by linear probes."""

import numpy as np
import pandas as pd

from clnorm.errors import UserError
from clnorm.evaluation.formulas.matrix import NAN, accuracy, average_incremental_accuracy
from clnorm.evaluation.formulas.steps import minimum_accuracy, worst_case_accuracy
from clnorm.evaluation.metrics.metric import Metric
from clnorm.evaluation.metrics.run_data import Floats, RunData

_DE_LANGE = "De Lange et al. 2023"
_STEPS = ("stream", "steps")


def _measurements(run: RunData) -> tuple[Floats, "pd.Series[int]", "pd.Series[int]", "pd.Series[float]"]:
    rows = run.frames["steps"]
    return run.R, rows["experience"], rows["tested"], rows["accuracy"]


def _last_probe(run: RunData, column: str) -> Floats:
    """What was probed on each experience after the last one, shape (n,); NaN where nothing was.

    Raises:
        UserError: an experience stands there twice.
    """
    rows = run.frames["probes"]
    last = rows[rows["after"] == len(run.R) - 1]
    if last["tested"].duplicated().any():
        raise UserError("an experience stands twice after the last one", where="probes")
    return last.set_index("tested")[column].reindex(range(len(run.experiences))).to_numpy(np.float64)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else NAN


def _by_means(column: str, title: str, of: str, source: str) -> tuple[Metric, Metric]:
    """ACC and A-bar of predictions by nearest means."""
    needs = (f"predictions.{column}",)
    letters = rf"\textrm{{, $R$ by the nearest mean of {of}}}"
    last = Metric(
        f"{column}_accuracy",
        f"{title} ACC",
        rf"\mathrm{{ACC}}_{{\mathrm{{{title}}}}}",
        f"mean_j R[T,j], R by the nearest mean of {of}",
        rf"\frac{{1}}{{T}} \sum_{{j \le T}} R_{{T,j}} {letters}",
        source,
        True,
        lambda run: accuracy(run.matrix_of(column)),
        needs,
    )
    all_steps = Metric(
        f"{column}_average_incremental_accuracy",
        f"{title} A-bar",
        rf"\bar{{A}}_{{\mathrm{{{title}}}}}",
        f"mean_t sum_{{j<=t}} n_j R[t,j] / sum_{{j<=t}} n_j, with n_j test clips, R by the nearest mean of {of}",
        r"\frac{1}{T} \sum_t \sum_{j \le t} n_j R_{t,j} / \sum_{j \le t} n_j \textrm{, with $n_j$ test clips} "
        + letters,
        source,
        True,
        lambda run: average_incremental_accuracy(run.matrix_of(column), run.test_clips),
        needs,
    )
    return last, all_steps


EVALUATION_METRICS = (
    *_by_means("nme", "NME", "exemplars", "Rebuffi et al. 2017"),
    *_by_means("ncm", "NCM", "all training clips", "after Mensink et al. 2013"),
    Metric(
        "minimum_accuracy",
        "min-ACC",
        r"\mathrm{min\textrm{-}ACC}",
        "mean_{j<T} min_n a_j(n), with a_j(n) the accuracy on experience j at step n after it was learned",
        r"\frac{1}{T-1} \sum_{j<T} \min_n a_j(n) "
        r"\textrm{, with $a_j(n)$ the accuracy on experience $j$ at step $n$ after it was learned}",
        _DE_LANGE,
        True,
        lambda run: minimum_accuracy(*_measurements(run)),
        _STEPS,
    ),
    Metric(
        "worst_case_accuracy",
        "WC-ACC",
        r"\mathrm{WC\textrm{-}ACC}",
        "R[T,T] / T + (1 - 1/T) mean_{j<T} min_n a_j(n), with a_j(n) the accuracy on experience j at step n after it "
        "was learned",
        r"\frac{1}{T} R_{T,T} + (1 - \frac{1}{T}) \frac{1}{T-1} \sum_{j<T} \min_n a_j(n) "
        r"\textrm{, with $a_j(n)$ the accuracy on experience $j$ at step $n$ after it was learned}",
        _DE_LANGE,
        True,
        lambda run: worst_case_accuracy(*_measurements(run)),
        _STEPS,
    ),
    Metric(
        "probe_accuracy",
        "probe ACC",
        r"\mathrm{ACC}_{\mathrm{probe}}",
        "mean_j P[T,j], with P[t,j] the accuracy on experience j of a linear probe of the features after experience t",
        r"\frac{1}{T} \sum_{j \le T} P_{T,j} "
        r"\textrm{, with $P_{t,j}$ the accuracy on experience $j$ of a linear probe of the features after experience "
        r"$t$}",
        "after Davari et al. 2022",
        True,
        lambda run: _mean(_last_probe(run, "probe_accuracy")),
        ("probes.probe_accuracy",),
    ),
    Metric(
        "cka",
        "CKA",
        r"\mathrm{CKA}",
        "mean_{j<T} K[T,j], with K[t,j] the linear CKA of the features of experience j's clips after experience t to "
        "those after j",
        r"\frac{1}{T-1} \sum_{j<T} K_{T,j} "
        r"\textrm{, with $K_{t,j}$ the linear CKA of the features of experience $j$'s clips after experience $t$ to "
        r"those after $j$}",
        "Kornblith et al. 2019",
        True,
        lambda run: _mean(_last_probe(run, "cka")[:-1]),
        ("stream", "probes.cka"),
    ),
)
