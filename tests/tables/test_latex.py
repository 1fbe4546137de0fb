"""A LaTeX table fits its page: by an estimate of its width, in a column, over two, shrunk, or a metric a table."""

import itertools
import re
from pathlib import Path

import pandas as pd
import pytest

from clnorm.cli.main import main
from clnorm.evaluation.metrics import METRICS, RunData
from clnorm.tables.latex import estimate_width
from clnorm.tables.make import make_table
from tests.tables.frames import runs

ROOT = Path(__file__).parents[2]
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


def test_a_table_of_eighteen_strategies_as_groups_is_said_to_be_too_small_and_how_to_turn_it():
    pairs = {(norm, f"ewc:lam={index}"): [0.4, 0.5, 0.61] for norm in ("bn", "cn") for index in range(18)}
    told = []
    text = make_table(runs(pairs), format="latex", metrics=["accuracy"], note=told.append)
    (points,) = map(int, re.findall(r"estimated width (\d+) pt", text))
    assert told == [
        f"with 18 column groups the table shrinks to about {100 * 345 / points:.0f} % of its type size, which is too "
        "small to read; turn it with --rows strategy --cols norm, or choose fewer columns with --where"
    ]
    axes = ("strategy", "norm")
    make_table(runs(pairs), format="latex", metrics=["accuracy"], axes=axes, note=told.append)
    make_table(runs(pairs), format="markdown", metrics=["accuracy"], note=told.append)
    assert len(told) == 1, "turned, it is as wide as its line, and in Markdown nothing shrinks"


def test_a_table_that_turning_would_not_help_is_only_told_to_be_narrowed():
    pairs = {(f"gn:groups={index + 1}", f"ewc:lam={index}"): [0.4, 0.5, 0.61] for index in range(18)}
    told = []
    make_table(runs(pairs), format="document", metrics=["accuracy"], note=told.append)
    (said,) = told
    assert said.endswith("too small to read; choose fewer columns with --where")


def test_the_command_says_it_beside_the_table(capsys):
    words = ["table", str(ROOT / "results/synthetic"), "--format", "latex", "--metrics", "accuracy"]
    assert main([*words, "--where", "norm=ln", "--where", "norm=bn"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("%")
    assert "note: with 18 column groups the table shrinks" in said.err
    assert main([*words, "--rows", "strategy", "--cols", "norm"]) == 0
    assert "note:" not in capsys.readouterr().err


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
