"""Rows and columns of other kinds: what may stand beside what, and what is said of the rest."""

import io

import pandas as pd
import pytest

from clnorm.cli.main import main
from clnorm.errors import UserError
from clnorm.tables.make import make_table
from clnorm.tables.styles import STYLES
from tests.tables.frames import EARLIER, read_csv, runs

VALUES = {
    ("ln", "naive"): [0.4, 0.5, 0.6],
    ("ln", "joint"): [0.9, 0.9, 0.95],
    ("bn", "naive"): [0.1, 0.2, 0.3],
    ("bn", "joint"): [0.8, 0.8, 0.8],
}
CONFIG = {"data.fingerprint": "f" * 64, "train.epochs": 10, "experiences": "2, 2"}
TWO = pd.concat(
    [
        runs(VALUES, **CONFIG),
        runs(
            {key: [value / 2 for value in values] for key, values in VALUES.items()},
            **{**CONFIG, "experiences": "1, 1, 1, 1"},
            protocol="even:experiences=4",
            setting="b2",
        ),
    ],
    ignore_index=True,
)


def read(df, axes, **options):
    table = pd.read_csv(io.StringIO(make_table(df, format="csv", axes=axes, metrics=["accuracy"], **options)))
    return table.set_index([*axes, "metric"])


def test_rows_and_columns_change_places():
    usual, turned = read_csv(runs(VALUES), metrics=["accuracy"]), read(runs(VALUES), ("strategy", "norm"))
    for (norm, strategy, metric), cell in usual.iterrows():
        assert turned.loc[(strategy, norm, metric)].tolist() == cell.tolist()


def test_rows_are_compared_within_a_column():
    turned = read(runs(VALUES), ("strategy", "norm"), versus="naive")
    differences = turned["difference"].xs("accuracy", level="metric")
    assert differences["joint", "bn"] == pytest.approx(0.6)
    assert differences["joint", "ln"] == pytest.approx((0.5 + 0.4 + 0.35) / 3)
    text = make_table(runs(VALUES), format="markdown", axes=("strategy", "norm"), versus="naive")
    assert "within a norm" in text
    assert "over the strategies of a column" in text


def test_protocols_stand_beside_each_other_for_one_strategy():
    one = TWO[TWO["strategy"] == "naive"]
    table = read(one, ("norm", "protocol"))
    means = table["mean"].xs("accuracy", level="metric")
    assert means["ln", "even:experiences=3"] == pytest.approx(0.5)
    assert means["ln", "even:experiences=4"] == pytest.approx(0.25)
    caption = make_table(one, format="rich", axes=("norm", "protocol")).partition("Dataset")[2]
    said = " ".join(caption.split())
    assert "protocol even:experiences=3: 4 classes in 2 experiences of 2 each. Dataset synthetic" in said
    assert "protocol even:experiences=4: 4 classes in 4 experiences of 1 each." in said
    assert "Strategy naive." in said


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (("norm", "protocol"), "several of the kind strategy, which is neither rows nor columns: joint, naive"),
        (("norm", "norm"), "rows and columns are both norm; legal: backbone, dataset, protocol, strategy"),
        (("norms", "strategy"), "'norms' is nothing that a table has; did you mean 'norm'"),
        (("norm", "seed"), "'seed' is nothing that a table has"),
        (("norm", "strategy"), "the runs differ in protocol"),
    ],
)
def test_what_has_no_place_is_refused(axes, words):
    with pytest.raises(UserError, match=words):
        make_table(TWO, axes=axes)


def test_settings_differ_in_what_goes_with_the_axis_alone():
    one = TWO[TWO["strategy"] == "naive"]
    other = one.assign(**{"train.epochs": [10 if setting == "a1" else 20 for setting in one["setting"]]})
    with pytest.raises(UserError, match=r"differ in more than the protocol: train.epochs: 10 \| 20; narrow with"):
        make_table(other, axes=("norm", "protocol"))
    with pytest.raises(
        UserError, match=r'all keys of the configuration are compared; load them: .*columns=\["config"\]'
    ):
        make_table(one.drop(columns="data.fingerprint"), axes=("norm", "protocol"))
    mixed = pd.concat([one, one.assign(setting="c3", run=one["run"] + "x", seed=one["seed"] + 9)])
    with pytest.raises(UserError, match="the runs differ in setting"):
        make_table(mixed, axes=("norm", "protocol"))


@pytest.mark.parametrize("name", STYLES)
def test_a_style_is_axes_and_metrics(name, capsys):
    assert main(["table", str(EARLIER), "--style", name, "--format", "csv"]) == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert tuple(found.columns[:2]) == STYLES[name].axes
    assert tuple(dict.fromkeys(found["metric"])) == STYLES[name].metrics


def test_what_is_given_goes_before_the_style(capsys):
    flags = ["--style", "tcd", "--rows", "norm", "--metrics", "accuracy", "--where", "strategy=naive"]
    assert main(["table", str(EARLIER), *flags, "--format", "csv"]) == 0
    (row,) = pd.read_csv(io.StringIO(capsys.readouterr().out)).to_dict("records")
    assert (row["norm"], row["protocol"], row["metric"], row["mean"]) == (
        "cn",
        "even",
        "accuracy",
        pytest.approx(0.195),
    )
    assert main(["table", str(EARLIER), "--style", "tcb"]) == 2
    assert "unknown style 'tcb'; did you mean 'tcd'?" in capsys.readouterr().err
