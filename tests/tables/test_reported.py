"""Numbers of papers beside measured ones: where they stand, how they are marked, and what is said of them."""

import io
from dataclasses import replace

import pandas as pd
import pytest

from clnorm.errors import UserError
from clnorm.results.published import Published
from clnorm.tables.make import FORMATS, make_table
from tests.tables.frames import runs

TCD = Published(
    method="T<b>C_D",
    year=2021,
    dataset="hmdb51",
    protocol="tcd-5x5",
    orders="3",
    backbone="TSM-ResNet",
    weights="ImageNet",
    exemplars="5 a class",
    metric="accuracy",
    value=0.4534,
    source="Park et al. 2021",
    second_hand=False,
)
DF = runs(
    {("ln", "naive"): [0.1, 0.2, 0.3], ("ln", "replay"): [0.4, 0.5, 0.6]},
    dataset="hmdb51",
    protocol="tcd-5x5:order=1993",
    **{"data.fingerprint": "f" * 64},
)
AXES = ("strategy", "protocol")


@pytest.mark.parametrize("format_", FORMATS)
def test_a_reported_row_is_marked_in_every_format_and_never_as_the_best(format_):
    second = replace(TCD, method="LwF", value=0.9, second_hand=True)
    text = make_table(DF, format=format_, axes=AXES, metrics=["accuracy"], published=[TCD, second])
    assert "<b>C" not in text or format_ in ("rich", "csv")
    assert "(reported" in text or format_ == "csv"
    if format_ != "csv":
        said = " ".join(text.replace("{", "").replace("}", "").split())
        assert "Reported, not measured here:" in said
        assert "with TSM-ResNet from ImageNet; exemplars 5 a class; 3 orders; Park et al. 2021." in said
        for mark in ("**90.0", "<strong>90.0", "mathbf90.0"):
            assert mark not in said


def test_reported_numbers_are_told_apart_from_measured_ones_by_programs():
    text = make_table(DF, format="csv", axes=AXES, metrics=["accuracy"], versus="naive", published=[TCD])
    found = pd.read_csv(io.StringIO(text))
    assert found["reported"].isna().tolist() == [True, True, False]
    row = found.iloc[2]
    assert (row["mean"], row["reported"]) == (0.4534, "reported: Park et al. 2021")
    assert pd.isna(row["n"])
    assert pd.isna(row["difference"])


def test_a_gap_in_what_is_reported_is_a_gap():
    both = pd.concat([DF, DF.assign(protocol="tcd-1x25", setting="b2", run=DF["run"] + "x")])
    text = make_table(both, format="markdown", axes=AXES, metrics=["accuracy"], published=[TCD])
    (row,) = [line for line in text.splitlines() if "reported)" in line]
    assert [cell.strip() for cell in row.strip("|").split(" | ")][1:] == ["45.3", "--"]


@pytest.mark.parametrize(
    ("axes", "changes", "words"),
    [
        (("norm", "strategy"), {}, "of methods under protocols, and the table has norms by strategy; add --style tcd"),
        (AXES, {"dataset": "ucf101"}, "no reported number is of the table's dataset.*ucf101 tcd-5x5 accuracy"),
        (AXES, {"protocol": "tcd-1x25"}, "no reported number"),
        (AXES, {"metric": "forgetting"}, "no reported number"),
    ],
)
def test_what_does_not_fit_is_refused(axes, changes, words):
    with pytest.raises(UserError, match=words):
        make_table(DF, axes=axes, metrics=["accuracy"], published=[replace(TCD, **changes)])
