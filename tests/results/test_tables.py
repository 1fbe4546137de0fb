import io
import itertools
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from clnorm.errors import UserError
from clnorm.evaluation.metrics import METRICS
from clnorm.results.tables import FORMATS, make_table, select

GOLDEN = Path(__file__).parent / "golden"


def runs(values, *, metric="accuracy", **columns):
    """One row for each seed of each (norm, strategy): `values` maps them to one value a seed."""
    rows = [
        {
            "run": f"{norm}-{strategy}-{seed}",
            "setting": "a1",
            "dataset": "synthetic",
            "protocol": "even:experiences=3",
            "backbone": "lsvit_nano",
            "norm": norm,
            "strategy": strategy,
            "label": "",
            "seed": seed,
            "status": "finished",
            "metric": metric,
            "value": value,
            **columns,
        }
        for (norm, strategy), of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    return pd.DataFrame(rows)


def read_csv(df, **options):
    """The csv table as rows by (norm, strategy, metric)."""
    table = pd.read_csv(io.StringIO(make_table(df, format="csv", **options)))
    return table.set_index(["norm", "strategy", "metric"])


def markdown_rows(df, **options):
    """The cells of the markdown table by norm."""
    lines = make_table(df, format="markdown", **options).split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0]: row[1:] for row in cells}


# Means and t(0.975, 2) s / sqrt(3) by hand: 0.4 0.5 0.6 -> 50.0 ± 24.8, 0.6 0.62 0.64 -> 62.0 ± 5.0
SMALL = pd.concat(
    [
        runs(
            {
                ("ln", "replay:per_class=5"): [0.6, 0.62, 0.64],
                ("ln", "naive"): [0.4, 0.5, 0.6],
                ("bn", "replay:per_class=5"): [0.4, 0.5, 0.6],
                ("bn", "naive"): [0.3, 0.3, 0.3],
                ("my_norm&co", "naive"): [0.6, 0.62, 0.64],
                ("my_norm&co", "replay:per_class=5"): [0.9, 0.9],
            }
        ),
        runs(
            {
                ("ln", "replay:per_class=5"): [0.1, 0.2, 0.3],
                ("ln", "naive"): [0.4, 0.5, 0.6],
                ("bn", "replay:per_class=5"): [-0.01, 0.0, 0.01],
                ("bn", "naive"): [0.6, 0.62, 0.64],
                ("my_norm&co", "naive"): [0.7, 0.72, 0.74],
                ("my_norm&co", "replay:per_class=5"): [0.0, 0.0],
            },
            metric="forgetting",
        ),
    ],
    ignore_index=True,
)


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
    assert rows["ln"] == ["<u>50.0</u> ± 24.8", "**50.0** ± 24.8", "**62.0** ± 5.0", "<u>20.0</u> ± 24.8"]
    assert rows["bn"] == ["30.0 ± 0.0", "<u>62.0</u> ± 5.0", "<u>50.0</u> ± 24.8", "**0.0** ± 2.5"]
    assert rows[r"my\_norm&co"] == ["**62.0** ± 5.0", "72.0 ± 5.0", "--", "--"]


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
    assert [rows["ln"], rows["gn"]] == [["--"], ["**23.3** ± 37.9"]]
    cell = read_csv(df, metrics=["accuracy"]).loc["ln", "naive", "accuracy"]
    assert pd.isna(cell["mean"])
    assert pd.isna(cell["half_width"])
    assert cell["n"] == 2
    assert not cell["complete"]


def test_the_caption_explains_a_gap_only_where_there_is_one():
    whole = runs({("ln", "naive"): [0.4, 0.5]})
    assert "undefined" in make_table(whole, format="markdown")  # forgetting has no row
    assert "undefined" not in make_table(whole, format="markdown", metrics=["accuracy"])


def test_ties_share_their_place():
    two_best = runs({("ln", "naive"): [0.6, 0.4], ("bn", "naive"): [0.5, 0.5], ("gn", "naive"): [0.1, 0.3]})
    assert [row[0][:2] for row in markdown_rows(two_best, metrics=["accuracy"]).values()][2:] == ["**", "**", "20"]
    two_second = runs({("ln", "naive"): [0.6, 0.4], ("bn", "naive"): [0.3, 0.3], ("gn", "naive"): [0.2, 0.4]})
    assert [row[0][:2] for row in markdown_rows(two_second, metrics=["accuracy"]).values()][2:] == ["**", "<u", "<u"]


def test_one_row_is_not_marked():
    assert markdown_rows(runs({("ln", "naive"): [0.6, 0.4]}), metrics=["accuracy"])["ln"][0].startswith("50.0")


def test_one_seed_has_no_interval():
    df = runs({("ln", "naive"): [0.6], ("bn", "naive"): [0.4]})
    assert markdown_rows(df, metrics=["accuracy"])["bn"] == ["<u>40.0</u>"]
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
    assert f"bn,naive,accuracy,{1 / 3!r},0.0,2,true" in text.splitlines()


def test_caption_holds_conditions_and_definitions():
    for format_ in ("markdown", "rich", "latex"):
        caption = " ".join(make_table(SMALL, metrics=["bwt", "tcd_forgetting"], format=format_).split())
        for words in ("synthetic", "even:experiences=3", "lsvit", "n = 3", "Student-t interval", "Park et al. 2021"):
            assert words in caption
    assert METRICS["bwt"].formula_latex in make_table(SMALL, metrics=["bwt"], format="latex")
    assert METRICS["bwt"].formula in make_table(SMALL, metrics=["bwt"], format="markdown")


def test_latex_prints_odd_names_literally():
    text = make_table(runs({(r"a_b&c%d#e$f{g}~h^i\j<k>|", "naive"): [0.5]}), format="latex")
    assert (
        r"a\_b\&c\%d\#e\$f\{g\}\textasciitilde{}h\textasciicircum{}i\textbackslash{}j\textless{}k\textgreater{}"
        r"\textbar{} & $50.0$" in text
    )


def test_markdown_prints_odd_names_literally():
    text = make_table(runs({("a|b*c_d`e<f>\\g", "naive"): [0.5]}), format="markdown", metrics=["accuracy"])
    assert "| a\\|b\\*c\\_d\\`e\\<f\\>\\\\g | 50.0 |" in text


def test_a_name_like_markup_stands_in_the_terminal_as_it_is():
    assert "[bold]x[/bold]" in make_table(runs({("[bold]x[/bold]", "[red]"): [0.5]}))


def test_styles_appear_only_on_a_terminal():
    terminal = Console(width=100, force_terminal=True, color_system="standard", file=io.StringIO())
    shown = make_table(SMALL, console=terminal)
    assert "\x1b[1m62.0\x1b[0m ± 5.0" in shown
    assert "\x1b[4m50.0\x1b[0m ± 24.8" in shown
    piped = make_table(SMALL, console=Console(width=20, file=io.StringIO()))
    assert piped == make_table(SMALL)
    assert "\x1b" not in piped


def test_a_narrow_terminal_folds_but_loses_nothing():
    terminal = Console(width=60, force_terminal=True, color_system=None, file=io.StringIO())
    shown = make_table(SMALL, console=terminal)
    assert max(map(len, shown.splitlines())) <= 60
    assert "…" not in shown


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


def test_settings_are_not_mixed():
    other = SMALL.assign(setting="b2", backbone="lsvit_tiny", epochs=5)
    mixed = pd.concat([SMALL.assign(epochs=2), other])
    with pytest.raises(UserError) as caught:
        make_table(mixed)
    message = str(caught.value)
    assert "backbone (lsvit_nano, lsvit_tiny)" in message
    assert "epochs (2, 5)" in message
    assert "--where backbone=lsvit_nano" in message
    assert "dataset" not in message
    assert make_table(select(mixed, ["backbone=lsvit_nano"])) == make_table(SMALL)


def test_settings_that_differ_in_no_column_are_told_by_their_hash():
    with pytest.raises(UserError, match=r"setting \(a1, b2\).*--where setting=a1"):
        make_table(pd.concat([SMALL, SMALL.assign(setting="b2")]))


def test_two_runs_for_one_place_are_refused():
    twice = pd.concat([SMALL, SMALL[:1].assign(run="copy")])
    with pytest.raises(UserError, match=r"norm ln.*replay.*seed 0.*copy"):
        make_table(twice)


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


def test_select_joins_columns_by_and_and_values_by_or():
    found = select(SMALL, ["norm=ln", "norm=bn", "seed=1", "strategy=replay:per_class=5"])
    assert set(found["norm"]) == {"ln", "bn"}
    assert set(found["seed"]) == {1}
    assert set(found["strategy"]) == {"replay:per_class=5"}
    assert len(select(SMALL, [])) == len(SMALL)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("backbone", "not of the form column=value"),
        ("backbon=lsvit_nano", "no column 'backbon'; did you mean 'backbone'"),
        ("backbone=lsvit_nan", "no run has backbone=lsvit_nan; did you mean 'lsvit_nano'"),
    ],
)
def test_select_refuses_what_is_not_there(condition, message):
    with pytest.raises(UserError, match=message):
        select(SMALL, [condition])


LABELLED = pd.concat(
    [
        runs({("bn", "naive"): [0.4, 0.5], ("gn", "naive"): [0.2, 0.2]}),
        runs({("bn", "naive"): [0.6, 0.8]}, label="transductive"),
        runs({("bn_task:tasks=9", "naive"): [0.9, 0.9]}, label="oracle"),
    ]
)


@pytest.mark.parametrize("format_", FORMATS)
def test_labelled_runs_are_rows_of_their_own_and_say_what_they_are_in_every_format(format_):
    text = make_table(LABELLED, format=format_, metrics=["accuracy"])
    task = "bn\\_task:tasks=9" if format_ in ("markdown", "latex") else "bn_task:tasks=9"
    assert "bn (transductive)" in text
    assert f"{task} (oracle)" in text
    assert text.count("(oracle)") == text.count("(transductive)") == 1
    if format_ != "csv":
        said = " ".join(text.split())
        assert "oracle: told the experience of each test clip, which nobody knows in class-incremental" in said
        assert "transductive: normalized by the statistics of the batch of test clips" in said


def test_labelled_runs_are_not_averaged_with_others_and_can_be_compared():
    table = read_csv(LABELLED, metrics=["accuracy"], versus="bn").xs("naive", level="strategy").reset_index()
    assert table["norm"].tolist() == ["bn", "bn (transductive)", "bn_task:tasks=9 (oracle)", "gn"]
    assert table["mean"].tolist() == pytest.approx([0.45, 0.7, 0.9, 0.2])
    assert table["difference"][1] == pytest.approx(0.25)
    # Seeds that only one of the two has do not fill the other's gap.
    split = pd.concat([LABELLED.query("norm == 'bn' and seed == 0 and label == ''"), LABELLED.query("seed == 1")])
    rows = markdown_rows(split, metrics=["accuracy"])
    assert rows["bn"] != rows["bn (transductive)"]
    assert read_csv(split.query("norm == 'bn'"), metrics=["accuracy"])["n"].tolist() == [2, 1]


def test_a_table_without_labelled_runs_has_no_note():
    assert "oracle" not in make_table(LABELLED.query("label == ''"), format="markdown")
    only = make_table(LABELLED.query("label != 'oracle'"), format="markdown")
    assert "transductive: " in only
    assert "oracle" not in only


def test_an_unknown_label_is_refused():
    with pytest.raises(UserError, match=r"unknown label 'orcale'.*did you mean 'oracle'"):
        make_table(runs({("bn", "naive"): [0.5]}, label="orcale"))


def test_runs_of_different_choices_are_refused_by_their_column():
    plain = SMALL.assign(imbalance="none")
    mixed = pd.concat([plain, plain.assign(imbalance="sqrt", setting="b2")])
    with pytest.raises(UserError, match=r"differ in imbalance \(none, sqrt\).*--where imbalance=none"):
        make_table(mixed)
    assert make_table(select(mixed, ["imbalance=none"])) == make_table(SMALL)


def test_what_running_statistics_do_is_a_row_of_its_own():
    options = ["update=balanced", "recalibrate=buffer,freeze_after=2"]
    names = ["bn", *(f"bn:{each}" for each in options), "gn"]
    table = read_csv(runs({(name, "naive"): [0.5, 0.5] for name in names}), metrics=["accuracy"])
    assert sorted(table.index.get_level_values("norm")) == sorted(names)


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        ("stats_update=balanced", "norm=bn:update=balanced"),
        ("recalibrate_after_exp=buffer", "norm=bn:recalibrate=buffer"),
        ("freeze_after_exp=2", "norm=bn:freeze_after=2"),
        ("freeze_after_exp=0", "norm=bn"),
    ],
)
def test_a_column_that_is_part_of_the_norms_name_now_says_so(condition, written):
    column = condition.partition("=")[0]
    with pytest.raises(UserError, match=rf"--where: {column} is part of the norm's name now; .* such as {written}$"):
        select(SMALL, [condition])
