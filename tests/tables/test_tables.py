import io
import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS
from clnorm.tables.make import FORMATS, make_table
from tests.tables.frames import SMALL, markdown_rows, read_csv, runs

SWING = [0.1, 0.2, 0.3]
GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("small.md", {"format": "markdown"}),
        ("small.tex", {"format": "latex"}),
        ("small.txt", {"format": "rich"}),
        ("versus.tex", {"format": "latex", "metrics": ["accuracy"], "versus": "bn"}),
        ("versus.txt", {"format": "rich", "metrics": ["accuracy"], "versus": "bn"}),
    ],
)
def test_golden(name, options):
    assert make_table(SMALL, **options) == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "options"), [("small.csv", {}), ("versus.csv", {"metrics": ["accuracy"], "versus": "bn"})]
)
def test_golden_csv(name, options):
    found = pd.read_csv(io.StringIO(make_table(SMALL, format="csv", **options)))
    pd.testing.assert_frame_equal(found, pd.read_csv(GOLDEN / name), rtol=1e-9, atol=1e-12)


def test_cells_by_hand():
    rows = markdown_rows(SMALL)
    assert rows["ln"] == ["50.0 ± 24.8", "50.0 ± 24.8", "62.0 ± 5.0", "20.0 ± 24.8"]
    assert rows["bn"] == ["30.0 ± 0.0", "62.0 ± 5.0", "50.0 ± 24.8", "0.0 ± 2.5"]
    assert rows[r"my\_norm&co"] == ["62.0 ± 5.0", "72.0 ± 5.0", "--", "--"]


@pytest.mark.parametrize("spoil", ["no seed", "unfinished", "nan", "no row"])
def test_an_incomplete_cell_is_never_the_mean_of_the_rest(spoil):
    df = runs({("ln", "naive"): [0.4, 0.5, 0.6], ("bn", "naive"): [0.1, 0.2, 0.3], ("gn", "naive"): [0.1, 0.2, 0.4]})
    last = (df["norm"] == "ln") & (df["seed"] == 2)
    if spoil == "unfinished":
        df.loc[last, "status"] = "running"
    elif spoil == "nan":
        df.loc[last, "value"] = float("nan")
    elif spoil == "no row":
        df.loc[last, "metric"] = "forgetting"
    else:
        df = df[~last]
    rows = markdown_rows(df, metrics=["accuracy"])
    assert [rows["ln"], rows["gn"]] == [["--"], ["23.3 ± 37.9"]]
    cell = read_csv(df, metrics=["accuracy"]).loc["ln", "naive", "accuracy"]
    assert pd.isna(cell["mean"])
    assert pd.isna(cell["half_width"])
    assert cell["n"] == 2
    assert not cell["complete"]


def test_the_caption_explains_a_gap_only_where_there_is_one():
    whole = runs({("ln", "naive"): [0.4, 0.5]})
    assert "undefined" in make_table(whole, format="markdown")  # forgetting has no row
    assert "undefined" not in make_table(whole, format="markdown", metrics=["accuracy"])


def test_one_row_is_not_marked():
    assert markdown_rows(runs({("ln", "naive"): [0.6, 0.4]}), metrics=["accuracy"])["ln"][0].startswith("50.0")


def test_one_seed_has_no_interval():
    df = runs({("ln", "naive"): [0.6], ("bn", "naive"): [0.4]})
    assert markdown_rows(df, metrics=["accuracy"])["bn"] == ["40.0"]
    assert "single seed" in make_table(df, format="markdown")


def test_a_tiny_loss_is_no_negative_zero():
    df = runs({("ln", "naive"): [-0.0001]}, metric="bwt")
    assert markdown_rows(df, metrics=["bwt"])["ln"] == ["0.0"]


def test_rows_and_groups_follow_the_catalogue_then_the_alphabet():
    norms = ["zz", "cn", "aa", "gn:groups=8", "gn", "bn", "pkg.mod:Norm", "ln"]
    strategies = ["joint", "other", "ewc:lam=10", "replay", "naive"]
    df = runs({pair: [0.5] for pair in itertools.product(norms, strategies)})
    table = read_csv(df, metrics=["accuracy"]).reset_index()
    assert list(table["norm"].unique()) == ["ln", "bn", "gn", "gn:groups=8", "cn", "aa", "pkg.mod:Norm", "zz"]
    assert list(table["strategy"].unique()) == ["naive", "replay", "ewc:lam=10", "joint", "other"]


def test_csv_keeps_full_precision():
    df = runs({("ln", "naive"): [0.1, 0.2], ("bn", "naive"): [1 / 3, 1 / 3]})
    text = make_table(df, format="csv", metrics=["accuracy"])
    assert f"bn,naive,accuracy,{1 / 3!r},0.0,2,true,fraction" in text.splitlines()


def test_caption_holds_conditions_and_definitions():
    for format_ in ("markdown", "rich", "latex"):
        caption = " ".join(make_table(SMALL, metrics=["bwt", "tcd_forgetting"], format=format_).split())
        for words in ("synthetic", "even", "experiences=3", "nano", "n = 3", "Student-t interval", "Park et al. 2021"):
            assert words in caption
    assert METRICS["bwt"].formula_latex in make_table(SMALL, metrics=["bwt"], format="latex")
    assert METRICS["bwt"].formula in make_table(SMALL, metrics=["bwt"], format="markdown")


def test_latex_prints_odd_names_literally():
    text = make_table(runs({(r"a_b&c%d#e$f{g}~h^i\j<k>|", "naive"): [0.5]}), format="latex")
    assert (
        r"a\_b\&c\%d\#e\$f\{g\}\textasciitilde{}h\textasciicircum{}i\textbackslash{}j\textless{}k\textgreater{}"
        r"\textbar{} & $50.0$" in text
    )


def test_a_row_of_latex_never_begins_with_what_the_row_before_takes_for_its_option():
    names = {"bn": "[2pt] BN", "cn": "*CN"}
    text = make_table(runs({(norm, "naive"): [0.5, 0.6, 0.7] for norm in names}), format="latex", names=names)
    assert "\n{[}2pt] BN & " in text
    assert "\n{*}CN & " in text
    assert r"\\" + "\n[" not in text


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e308, 1.5, -1.1, "x"])
def test_a_value_that_is_no_share_is_refused_with_its_run(value):
    df = runs({("bn", "naive"): [0.5, value, 0.7], ("ln", "naive"): [0.1, 0.2, 0.3]})
    with pytest.raises(
        UserError, match=rf"bn-naive-1: accuracy is {re.escape(str(value))}; legal: a share from -1 to 1, or none"
    ):
        make_table(df, metrics=["accuracy"], versus="ln")


def test_a_share_may_pass_one_by_rounding():
    assert "100.0" in make_table(runs({("bn", "naive"): [1 + 1e-15]}), metrics=["accuracy"])


def test_markdown_prints_odd_names_literally():
    text = make_table(runs({("a|b*c_d`e<f>\\g", "naive"): [0.5]}), format="markdown", metrics=["accuracy"])
    assert "| a\\|b\\*c\\_d\\`e\\<f\\>\\\\g | 50.0 |" in text


def test_a_name_like_markup_stands_in_the_terminal_as_it_is():
    assert "[bold]x[/bold]" in make_table(runs({("[bold]x[/bold]", "[red]"): [0.5]}))


def test_styles_appear_only_on_a_terminal():
    terminal = Console(width=100, force_terminal=True, color_system="standard", file=io.StringIO())
    gains = {"ln": (0.1, 0.1, 0.1), "bn": (0.30, 0.31, 0.29), "gn": (0.51, 0.50, 0.50)}
    told_apart = runs({(norm, "naive"): np.add(SWING, gain).tolist() for norm, gain in gains.items()})
    shown = make_table(told_apart, console=terminal)
    assert "\x1b[1m70.3\x1b[0m ± " in shown
    assert "\x1b[4m50.0\x1b[0m ± " in shown
    assert "Bold best, underlined second within a strategy" in shown
    piped = make_table(SMALL, console=Console(width=20, file=io.StringIO()))
    assert piped == make_table(SMALL)
    assert "\x1b" not in piped


def test_a_narrow_terminal_folds_but_loses_nothing():
    terminal = Console(width=60, force_terminal=True, color_system=None, file=io.StringIO())
    shown = make_table(SMALL, console=terminal)
    assert max(map(len, shown.splitlines())) <= 60
    assert "…" not in shown


@pytest.mark.parametrize("width", [40, 80, 200])
def test_what_is_wider_than_the_terminal_goes_on_below(width):
    strategies = ["naive", "replay", "er_ace", "der", "derpp", "agem", "icarl"]
    values = {("ln", name): [0.1 * place, 0.1 * place] for place, name in enumerate(strategies)}
    terminal = Console(width=width, force_terminal=True, color_system=None, file=io.StringIO())
    lines = make_table(runs(values), metrics=["accuracy"], console=terminal).splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│ ln")]
    assert [cell for row in rows for cell in row if "±" in cell] == [
        f"{10.0 * place:.1f} ± 0.0" for place in range(7)
    ], "each number whole, in the order of the columns"
    assert len(rows) == sum(line.startswith("┏") for line in lines) == {40: 4, 80: 2, 200: 1}[width]


def test_differences_are_paired_and_corrected_over_norms():
    noise = [0.0, 0.2, 0.4, 0.1]
    df = runs(
        {
            ("bn", "naive"): noise,
            ("ln", "naive"): [value + gain for value, gain in zip(noise, [0.30, 0.31, 0.29, 0.30], strict=True)],
            ("gn", "naive"): [value + gain for value, gain in zip(noise, [0.1, -0.1, 0.05, -0.01], strict=True)],
        }
    )
    table = read_csv(df, metrics=["accuracy"], versus="bn").xs("naive", level="strategy")
    ln, gn = table.loc["ln"].iloc[0], table.loc["gn"].iloc[0]
    assert ln["difference"] == pytest.approx(0.3)
    assert ln["difference_half_width"] == pytest.approx(3.182446 * 0.00816497 / 2, rel=1e-5)
    assert ln["p_holm"] == pytest.approx(2 * ln["p"])
    assert gn["p_holm"] == gn["p"]
    assert pd.isna(table.loc["bn"].iloc[0]["difference"])
    rows = markdown_rows(df, metrics=["accuracy"], versus="bn")
    assert [rows[norm][1] for norm in ("ln", "bn", "gn")] == [r"+30.0 ± 1.3\*", "", "+1.0 ± 13.7"]


def test_no_difference_to_or_from_an_incomplete_cell():
    df = runs({("bn", "naive"): [0.1, 0.2], ("ln", "naive"): [0.1], ("gn", "naive"): [0.2, 0.4]})
    rows = markdown_rows(df, metrics=["accuracy"], versus="bn")
    assert [rows[norm][1] for norm in ("ln", "bn", "gn")] == ["--", "", "+15.0 ± 63.5"]
    assert markdown_rows(df, metrics=["accuracy"], versus="ln")["gn"][1] == "--"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["acuracy"]}, "unknown metric 'acuracy'; did you mean 'accuracy'"),
        ({"format": "latx"}, "unknown format 'latx'; did you mean 'latex'"),
        ({"versus": "b"}, "no run has the norm 'b'; did you mean 'bn'"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(options, message):
    with pytest.raises(UserError, match=message):
        make_table(SMALL, **options)


@pytest.mark.parametrize("format_", FORMATS)
def test_no_run_is_refused(format_):
    with pytest.raises(UserError, match="no run"):
        make_table(SMALL[:0], format=format_)


def test_a_frame_without_a_column_is_refused():
    with pytest.raises(UserError, match="columns setting, seed are missing"):
        make_table(SMALL.drop(columns=["seed", "setting"]))


@pytest.mark.parametrize("kind", FORMATS)
def test_names_are_visible_in_every_format(kind):
    df = runs({("bn\x1b[2J\u202e", "na\u2028ive\x9b"): SWING, ("=1+1", "na\u2028ive\x9b"): SWING})
    for options in ({}, {"versus": "=1+1"}):
        text = make_table(df, format=kind, metrics=["accuracy"], **options)
        assert not set("\x1b\u202e\u2028\x9b\x07") & set(text)
        assert "x1b" in text


def test_csv_has_no_formulas_and_negative_numbers_stay_numbers():
    df = runs({("=cmd()", "-2+3"): [0.1, 0.2, 0.3], ("bn", "-2+3"): [0.3, 0.5, 0.6]})
    table = read_csv(df, metrics=["accuracy"], versus="bn")
    assert set(table.index) == {("'=cmd()", "'-2+3", "accuracy"), ("bn", "'-2+3", "accuracy")}
    assert table["difference"].loc["'=cmd()"].item() == pytest.approx(-0.8 / 3)
