"""Effect sizes of a table's differences: what they are, where there is none, and where they are refused."""

import io
import math
from pathlib import Path

import pandas as pd
import pytest

from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.tables.make import make_bibliography, make_table
from tests.tables.frames import markdown_rows, read_csv, runs
from tests.tables.test_document import compile_latex
from tests.tables.test_reported import AXES, DF, TCD

RUNS = Path(__file__).parents[2] / "results" / "synthetic"
# To bn: ln has 0.1, 0.2, 0.3, of mean 0.2 and deviation 0.1, so that g = (1 - 3 / 7) 2; gn has it turned round; cn has
# the same in every pair.
PAIRED = {
    ("bn", "naive"): [0.2, 0.3, 0.4],
    ("ln", "naive"): [0.3, 0.5, 0.7],
    ("gn", "naive"): [0.1, 0.1, 0.1],
    ("cn", "naive"): [0.3, 0.4, 0.5],
}
DEFINITION = (
    "g: Hedges' g of these differences, their mean over their standard deviation, times 1 - 3 / (4n - 5) for n pairs "
    "(Hedges 1981; Lakens 2013)"
)


def test_by_hand():
    table = read_csv(runs(PAIRED), metrics=["accuracy"], versus="bn", effect=True)["hedges_g"]
    found = table.xs("naive", level="strategy").droplevel("metric")
    assert found["ln"] == pytest.approx(8 / 7)
    assert found["gn"] == pytest.approx(-8 / 7)
    assert math.isnan(found["cn"])
    assert math.isnan(found["bn"])


def test_it_stands_behind_its_difference_with_its_sign():
    rows = markdown_rows(runs(PAIRED), metrics=["accuracy"], versus="bn", effect=True)
    assert rows["norm"][1:] == ["Naive Δ bn", "Naive g"]
    assert {norm: rows[norm][2] for norm in ("bn", "ln", "gn", "cn")} == {
        "bn": "",
        "ln": "+1.14",
        "gn": "-1.14",
        "cn": "--",
    }


def test_nothing_is_no_negative_number():
    values = {("bn", "naive"): [0.5, 0.5, 0.5], ("ln", "naive"): [0.6, 0.4, 0.4999]}
    assert markdown_rows(runs(values), metrics=["accuracy"], versus="bn", effect=True)["ln"][2] == "+0.00"


def test_an_incomplete_cell_has_none():
    df = runs({**PAIRED, ("gn", "naive"): [0.1, 0.1]})
    assert markdown_rows(df, metrics=["accuracy"], versus="bn", effect=True)["gn"] == ["--", "--", "--"]
    assert markdown_rows(df, metrics=["accuracy"], versus="gn", effect=True)["ln"][1:] == ["--", "--"]


@pytest.mark.parametrize("format_", ["rich", "markdown", "html"])
def test_the_caption_defines_it_with_its_source_and_says_why_one_is_missing(format_):
    def write(values, **options):
        text = make_table(runs(values), format=format_, metrics=["accuracy"], versus="bn", **options)
        return " ".join(text.replace("&#x27;", "'").split())

    undefined = "it is undefined (--) for a difference that is the same in every pair"
    assert f"{DEFINITION}; {undefined}." in write(PAIRED, effect=True)
    varied = {key: values for key, values in PAIRED.items() if key[0] != "cn"}
    assert f"{DEFINITION}." in write(varied, effect=True)
    assert "Hedges" not in write(PAIRED)


def test_every_row_has_as_many_cells_as_there_are_heads():
    options = {"metrics": ["accuracy"], "axes": AXES, "versus": "naive", "effect": True, "published": [TCD]}
    df = DF.assign(value=[0.1, 0.2, 0.3, 0.4, 0.6, 0.9])
    rows = [line for line in make_table(df, format="markdown", **options).splitlines() if line.startswith("|")]
    assert "reported" in rows[-1]
    assert {len(row.split(" | ")) for row in rows} == {4}
    table = pd.read_csv(io.StringIO(make_table(df, format="csv", **options)))
    assert table["hedges_g"].notna().tolist() == [False, True, False]
    assert table["reported"].notna().tolist() == [False, False, True]


def test_in_latex_it_compiles(pdflatex, tmp_path):
    text = make_table(runs(PAIRED), format="document", metrics=["accuracy"], versus="bn", effect=True)
    assert "$g$" in text
    assert "$+1.14$" in text
    assert "Overfull" not in compile_latex(text, tmp_path)


@pytest.mark.parametrize(
    ("n", "options", "message"),
    [
        (2, {"versus": "bn"}, "--effect: the runs have 2 seeds, too few for an effect size; legal: 3 or more"),
        (1, {"versus": "bn"}, "--effect: the runs have 1 seed, too few for an effect size"),
        (3, {}, "--effect: an effect size is of a difference, and the table has none; add --versus, .* --versus ln"),
    ],
)
def test_where_there_can_be_none_it_is_refused(n, options, message):
    values = {key: of_seeds[:n] for key, of_seeds in PAIRED.items()}
    with pytest.raises(UserError, match=message):
        make_table(runs(values), metrics=["accuracy"], effect=True, **options)


def test_the_command(capsys):
    axes = ["--where", "norm=ln", "--rows", "strategy", "--cols", "norm", "--metrics", "accuracy"]
    assert main(["table", str(RUNS), *axes, "--versus", "naive", "--effect"]) == 0
    assert "Hedges' g" in capsys.readouterr().out
    assert main(["table", str(RUNS), "--effect", "--explain", "ln", "naive", "accuracy"]) == 2
    assert "--effect does nothing with it" in capsys.readouterr().err


def test_its_papers_are_cited():
    text = make_table(runs(PAIRED), metrics=["accuracy"], format="latex", versus="bn", effect=True, cite=True)
    assert r"(Hedges 1981; Lakens 2013~\cite{hedges1981distribution,lakens2013calculating})" in text
    entries = make_bibliography(runs(PAIRED), metrics=["accuracy"], effect=True)
    assert {"@article{hedges1981distribution,", "@article{lakens2013calculating,"} <= set(entries.splitlines())
    assert "hedges" not in make_bibliography(runs(PAIRED), metrics=["accuracy"])
