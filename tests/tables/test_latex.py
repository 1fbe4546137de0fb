"""A LaTeX table fits its page: by an estimate of its width, in a column, over two, shrunk, or a metric a table."""

import itertools
import re

import pandas as pd
import pytest

from clnorm.evaluation.metrics import METRICS, RunData
from clnorm.tables.latex import estimate_width
from clnorm.tables.make import make_table
from tests.tables.frames import runs

STRATEGIES = ["naive", "replay:per_class=5", "joint", "ewc"]


def table(strategies, metrics, **options):
    pairs = {pair: [0.4, 0.5, 0.61] for pair in itertools.product(["bn", "cn"], STRATEGIES[:strategies])}
    frames = [runs(pairs, metric=metric) for metric in metrics]
    return make_table(pd.concat(frames), format="latex", metrics=metrics, **options)


# Widths in \small Computer Modern by hand from its metrics: a digit is 4.62 pt, $\pm$ with its spaces 11.3 pt.
@pytest.mark.parametrize(("cell", "points"), [("$50.0$", 16.5), (r"$50.0 \pm 24.8$", 44.2), ("norm", 21.2)])
def test_a_width_is_estimated_to_a_fifth(cell, points):
    assert estimate_width([[cell]]) - 8 == pytest.approx(points, rel=0.2)


@pytest.mark.parametrize(
    ("strategies", "metrics", "environment", "shrunk", "count"),
    [
        (1, ["accuracy"], "table", False, 1),
        (2, ["accuracy", "forgetting"], "table*", False, 1),
        (3, ["accuracy", "forgetting"], "table*", True, 1),
        (4, ["accuracy", "forgetting", "bwt"], "table*", False, 3),
    ],
)
def test_what_is_wide_spans_both_columns_shrinks_or_is_split(strategies, metrics, environment, shrunk, count):
    text = table(strategies, metrics)
    assert re.findall(r"\\begin\{(table\*?)\}", text) == [environment] * count
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == count
    assert (r"\resizebox{\ifdim\width>\linewidth" in text) == shrunk
    assert ("booktabs,graphicx" in text) == shrunk
    assert len(set(re.findall(r"\\label\{(.*?)\}", text))) == count, "each table has a label of its own"
    assert text.count("{") == text.count("}")


def test_two_strategies_with_differences_shrink_to_the_line_or_are_split():
    text = table(2, ["accuracy", "forgetting"], versus="bn")
    assert r"\resizebox" in text or text.count(r"\begin{tabular}") == 2


def test_experiences_are_counted_from_one_in_every_formula():
    for metric in METRICS.values():
        for formula in (metric.formula, metric.formula_latex):
            assert not re.search(r"T\+1|t\+1|[tj]>0|R\[0|R_\{0", formula), metric.key


def test_a_formula_gives_what_its_function_computes():
    R = [[0.9, float("nan"), float("nan")], [0.5, 0.8, float("nan")], [0.3, 0.6, 0.7]]
    run = RunData(R, [1, 1, 1], [[0], [1], [2]])
    assert METRICS["accuracy"].formula_latex.startswith(r"\frac{1}{T} ")
    assert METRICS["accuracy"](run) == pytest.approx((0.3 + 0.6 + 0.7) / 3)
    assert METRICS["forgetting"].formula_latex.startswith(r"\frac{1}{T-1} ")
    assert METRICS["forgetting"](run) == pytest.approx((0.6 + 0.2) / 2)
