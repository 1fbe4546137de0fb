"""All metrics by name: clnorm's own, and those of plug-ins."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import MappingProxyType

from clnorm.catalogue.entry import Entry
from clnorm.catalogue.registry import Registry
from clnorm.errors import UserError
from clnorm.evaluation.metrics.metric import Metric, evaluate
from clnorm.evaluation.metrics.of_classes import CLASS_METRICS
from clnorm.evaluation.metrics.of_evaluations import EVALUATION_METRICS
from clnorm.evaluation.metrics.of_matrix import MATRIX_METRICS
from clnorm.evaluation.metrics.of_predictions import PREDICTION_METRICS
from clnorm.evaluation.metrics.run_data import RunData

_NAME = re.compile(r"[\w.-]+")
_OWN = (*MATRIX_METRICS, *CLASS_METRICS, *PREDICTION_METRICS, *EVALUATION_METRICS)
METRICS = MappingProxyType({metric.key: metric for metric in _OWN})
"""clnorm's own, in the order of display."""


def _check(entry: Entry) -> Entry:
    if not isinstance(entry.target, Metric):
        hint = "write @clnorm.register_metric(NAME, formula=..., higher_is_better=...) above the function"
        raise UserError(f"{entry.name!r} is no metric", hint=hint)
    return replace(entry, summary=entry.target.formula)


_REGISTRY = Registry("metric", plural="metrics", complete=_check)
for _metric in _OWN:
    _REGISTRY.add(Entry(_metric.key, _metric, _metric.formula))


def register_metric(
    name: str,
    *,
    formula: str,
    higher_is_better: bool,
    source: str,
    needs: Iterable[str] = (),
    title: str = "",
    symbol: str = "",
    formula_latex: str = "",
) -> Callable[[Callable[[RunData], float]], Metric]:
    """Decorator: make a metric of a function of `clnorm.metrics.RunData`, and register it under a name.

    Args:
        name: in records and options: letters, digits, `_`, `-` and `.`.
        formula: the definition in a line of plain text.
        higher_is_better: which end is the good one.
        source: the citation, such as `Wu et al. 2019`.
        needs: what it needs beside R: names of `clnorm.metrics.NEEDS`, files such as `predictions`, columns of these
            such as `predictions.confidence`.
        title: the heading in tables; the name where it is left out.
        symbol: the heading in LaTeX's math mode; the title where it is left out.
        formula_latex: the definition in LaTeX's math mode; `formula` where it is left out.

    Raises:
        UserError: the name is taken or cannot be one, or a text or need is wrong.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot be the name of a metric", legal="letters, digits, _, - and .")
    if isinstance(needs, str):
        raise UserError(f"needs is the text {needs!r}", where=f"metric {name}", legal="a list of names")

    def decorate(function: Callable[[RunData], float]) -> Metric:
        texts = (title or name, symbol, formula, formula_latex, source)
        metric = Metric(name, *texts, higher_is_better, function, tuple(needs))
        _REGISTRY.register(name)(metric)
        return metric

    return decorate


def find_metric(name: str, *, where: str = "metric") -> Metric:
    """The metric of a name, or of `package.module:Name`, which is then imported.

    Raises:
        UserError: there is none, the nearest one is named; or what is there is no metric.
    """
    spec = _REGISTRY.parse(name, where=where)
    metric: Metric = spec.entry.load()
    return metric if metric.key == spec.name else replace(metric, key=spec.name)


def list_metrics() -> list[str]:
    """The names of all: clnorm's own, registered ones, and those that installed packages announce."""
    return _REGISTRY.names()


def compute(run: RunData) -> dict[str, float]:
    """Every metric of clnorm's own by key, in the order of display; NaN where a run does not have what one needs."""
    return {key: evaluate(metric, run)[0] for key, metric in METRICS.items()}
