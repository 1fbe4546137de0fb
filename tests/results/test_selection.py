"""Which runs a table joins: settings, conditions, and labels that are rows of their own."""

import pandas as pd
import pytest

from clnorm.errors import UserError
from clnorm.tables.make import FORMATS, make_table, select
from tests.tables.frames import SMALL, markdown_rows, read_csv, runs


def test_settings_are_not_mixed():
    other = SMALL.assign(setting="b2", backbone="lsvit_tiny", epochs=5)
    mixed = pd.concat([SMALL.assign(epochs=2), other])
    with pytest.raises(UserError) as caught:
        make_table(mixed)
    message = str(caught.value)
    assert "backbone: lsvit_nano | lsvit_tiny" in message
    assert "epochs: 2 | 5" in message
    assert "--where backbone=lsvit_nano" in message
    assert "dataset" not in message
    assert make_table(select(mixed, ["backbone=lsvit_nano"])) == make_table(SMALL)


def test_settings_that_differ_in_no_column_are_told_by_their_hash():
    with pytest.raises(UserError, match=r"setting: a1 \| b2.*--where setting=a1.*columns=\[.config.\]"):
        make_table(pd.concat([SMALL, SMALL.assign(setting="b2")]))


def test_fingerprints_are_named_in_short_and_last():
    one, other = "0123456789ab" + "c" * 52, "f" * 64
    mixed = pd.concat(
        [SMALL.assign(**{"data.fingerprint": one}), SMALL.assign(**{"data.fingerprint": other, "setting": "b2"})]
    )
    with pytest.raises(UserError) as caught:
        make_table(mixed)
    assert "differ in data.fingerprint: 0123456789ab... | ffffffffffff...; narrow" in str(caught.value)
    assert str(caught.value).count(one) == 1, "the command to copy has it in full"
    assert len(make_table(select(mixed, [f"data.fingerprint={one}"]))) > 0
    mixed["train.epochs"] = [2 if setting == "b2" else 10 for setting in mixed["setting"]]
    with pytest.raises(UserError, match=r"train\.epochs: 2 \| 10; data\.fingerprint: .*--where train\.epochs=2$"):
        make_table(mixed)


def test_two_runs_for_one_place_are_refused():
    twice = pd.concat([SMALL, SMALL[:1].assign(run="copy")])
    with pytest.raises(UserError, match=r"norm ln.*replay.*seed 0.*copy"):
        make_table(twice)


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
    for_papers = format_ in ("markdown", "latex", "document", "html")
    task = "Task BN (tasks=9)" if for_papers else "bn_task:tasks=9"
    assert f"{'BN' if for_papers else 'bn'} (transductive)" in text
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
    with pytest.raises(UserError, match=r"differ in imbalance: none \| sqrt.*--where imbalance=none"):
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
