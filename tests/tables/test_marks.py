"""What a table claims of its numbers: which is best, which difference is significant, and how a number is rounded."""

import io
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from clnorm.tables.make import make_table
from tests.tables.frames import markdown_rows, read_csv, runs

# Over the same seeds: gn is 0.2 above bn and bn 0.2 above ln, by steady differences; cn swings around gn.
NOISE = [0.0, 0.2, 0.1, 0.3]
STEADY = {
    ("ln", "naive"): [0.10 + x for x in NOISE],
    ("bn", "naive"): [0.30 + x + e for x, e in zip(NOISE, [0.00, 0.01, 0.00, -0.01], strict=True)],
    ("gn", "naive"): [0.50 + x + e for x, e in zip(NOISE, [0.01, 0.00, -0.01, 0.01], strict=True)],
}


def cells(values):
    return {norm: row[0].partition(" ")[0] for norm, row in markdown_rows(runs(values), metrics=["accuracy"]).items()}


def test_best_and_second_are_marked_where_a_paired_test_tells_them_from_all_that_is_worse():
    found = cells(STEADY)
    assert (found["gn"], found["bn"], found["ln"]) == ("**65.3**", "<u>45.0</u>", "25.0")
    caption = make_table(runs(STEADY), format="rich", metrics=["accuracy"])
    assert "bold best" not in caption, "without a terminal nothing is bold"
    caption = make_table(runs(STEADY), format="latex", metrics=["accuracy"])
    assert "where it differs from each worse one: p \\textless{} 0.05 in the paired t-test, Holm-corrected" in caption


def test_a_best_mean_that_is_not_told_from_the_next_is_no_best_and_leaves_no_second():
    swinging = [0.66, 0.40, 0.90, 0.66]
    found = cells({**STEADY, ("cn", "naive"): swinging})
    assert scipy.stats.ttest_rel(swinging, STEADY["gn", "naive"]).pvalue > 0.05
    assert not any("*" in cell or "<u>" in cell for cell in found.values())


def test_upper_bounds_leave_their_marks_to_the_strategies_that_compete_and_the_caption_says_so():
    by_strategy = zip(("naive", "ewc", "replay"), ("ln", "bn", "gn"), strict=True)
    values = {("bn", strategy): STEADY[norm, "naive"] for strategy, norm in by_strategy}
    bounds = {("bn", "joint"): [0.9 + x / 10 for x in NOISE], ("bn", "cumulative"): [0.8 + x / 10 for x in NOISE]}
    options = {"metrics": ["accuracy"], "axes": ("strategy", "norm")}
    for given_ in (values, values | bounds):
        table = make_table(runs(given_), format="markdown", **options)
        assert "| Replay (5 a class) | **65.3**" in table
        assert "| EWC | <u>45.0</u>" in table
    assert "| Joint | 91.5 ±" in table
    assert "| Cumulative | 81.5 ±" in table
    said = "underlined second within a norm but for the upper bounds Cumulative and Joint, where it differs"
    assert said in table
    assert said in make_table(runs(values | bounds), format="latex", **options)
    assert "upper bound" not in make_table(runs(values), format="markdown", **options)
    terminal = Console(width=200, force_terminal=True, color_system="standard", file=io.StringIO())
    shown = " ".join(make_table(runs(values | bounds), console=terminal, **options).split())
    assert "within a norm but for the upper bounds cumulative and joint, where it differs" in shown


def test_beside_an_upper_bound_one_strategy_has_nothing_to_be_better_than():
    values = {("bn", "naive"): STEADY["ln", "naive"], ("bn", "joint"): STEADY["gn", "naive"]}
    table = make_table(runs(values), format="markdown", metrics=["accuracy"], axes=("strategy", "norm"))
    assert "| Naive | 25.0 ±" in table
    assert "| Joint | 65.3 ±" in table
    assert "within a norm but for the upper bound Joint." in table


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_seeds_have_no_mark_and_no_star_and_the_caption_says_so(n):
    # With two seeds the paired test gives p = 0.03 here: bn is not better for it.
    values = {("ln", "naive"): [0.4, 0.5][:n], ("bn", "naive"): [0.6, 0.71][:n]}
    if n == 2:
        assert scipy.stats.ttest_rel(*values.values()).pvalue < 0.05
    for format_ in ("markdown", "latex", "rich"):
        text = " ".join(make_table(runs(values), format=format_, metrics=["accuracy"], versus="ln").split())
        assert f"(n = {n})" in text.replace("$", "")
        assert ("too few to test: no mean is marked as best" if n == 2 else "without a mark") in text
        assert ("which tests nothing" if n == 1 else "with so few seeds none is tested") in text
        for mark in ("**", "<u>", r"\mathbf", r"\underline", r"\*", "^{*}", "bold"):
            assert mark not in text
    terminal = Console(width=100, force_terminal=True, color_system="standard", file=io.StringIO())
    assert "Bold best" not in make_table(runs(values), console=terminal)


def test_equal_best_means_are_both_marked_and_leave_no_second():
    two = {
        ("ln", "naive"): STEADY["gn", "naive"],
        ("gn", "naive"): STEADY["gn", "naive"],
        ("bn", "naive"): STEADY["bn", "naive"],
    }
    found = cells({**two, ("cn", "naive"): STEADY["ln", "naive"]})
    assert [found[norm] for norm in ("ln", "gn", "bn", "cn")] == ["**65.3**", "**65.3**", "45.0", "25.0"]


def test_of_forgetting_the_least_is_best():
    rows = markdown_rows(runs(STEADY, metric="forgetting"), metrics=["forgetting"])
    assert rows["ln"][0].startswith("**25.0**")
    assert rows["bn"][0].startswith("<u>45.0</u>")


def test_a_difference_that_never_varies_has_no_test_counts_in_the_family_and_the_caption_says_so():
    values = {**STEADY, ("cn", "naive"): [x + 0.25 for x in STEADY["ln", "naive"]]}
    table = read_csv(runs(values), metrics=["accuracy"], versus="ln").xs("naive", level="strategy").droplevel("metric")
    assert table.loc["cn", "difference"] == pytest.approx(0.25)
    assert table.loc["cn", "difference_half_width"] == 0.0
    assert math.isnan(table.loc["cn", "p"])
    assert math.isnan(table.loc["cn", "p_holm"])
    least = min(table.loc[["bn", "gn"], "p"])
    assert table["p_holm"].min() == pytest.approx(3 * least), "three norms are compared, though one cannot be tested"
    said = "a difference that is the same in every pair cannot be tested, and has no star"
    assert said in make_table(runs(values), format="markdown", metrics=["accuracy"], versus="ln")
    assert said not in make_table(runs(STEADY), format="markdown", metrics=["accuracy"], versus="ln")


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.6655] * 3, "66.6"),
        ([0.665, 0.666], "66.6"),
        ([0.0725], "7.3"),
        ([0.07, 0.075], "7.3"),  # 0.07250000000000001 in binary
        ([0.0005], "0.1"),
        ([0.00049], "0.0"),
        ([-0.0005], "-0.1"),
        ([-0.0004], "0.0"),
        ([1.0], "100.0"),
        ([0.99995], "100.0"),
        ([1 / 3], "33.3"),
        ([2 / 3], "66.7"),
    ],
)
def test_a_mean_is_rounded_in_decimal_and_a_half_goes_away_from_zero(values, shown):
    row = markdown_rows(runs({("ln", "naive"): values}, metric="bwt"), metrics=["bwt"])["ln"][0]
    assert row.partition(" ")[0] == shown


@given(st.lists(st.integers(0, 40), min_size=3, max_size=5))
def test_equal_means_print_alike_however_their_seeds_are_summed(clips):
    shares = [clip / 40 for clip in clips]
    split = [np.mean(shares)] * len(shares)
    df = runs({("ln", "naive"): shares, ("bn", "naive"): shares[::-1], ("gn", "naive"): split})
    rows = markdown_rows(df, metrics=["accuracy"])
    assert len({rows[norm][0].partition(" ")[0] for norm in ("ln", "bn", "gn")}) == 1


def test_equal_values_have_a_half_width_of_nothing():
    third = 0.1 + 0.2  # 0.30000000000000004
    df = runs({("ln", "naive"): [third, 0.3, 0.3], ("bn", "naive"): [0.7] * 3})
    assert read_csv(df, metrics=["accuracy"])["half_width"].tolist() == [0.0, 0.0]
