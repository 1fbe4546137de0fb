"""ClipTable: what it derives from its frame, what it refuses, and that its fingerprint is stable."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clnorm.data.table import ClipTable
from clnorm.errors import UserError

CLASSES = ("dive", "wave")


def make_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": ["dive/a.avi", "dive/b.avi", "wave/c.avi", "wave/d.avi"],
            "label": [0, 0, 1, 1],
            "split": ["train", "test", "unused", "train"],
            "group": ["s1", "s2", "s3", "s3"],
            "bytes": [10, 20, 30, 40],
            "quality": ["goo", "bad", "med", "med"],
        }
    )


def make_table(frame: pd.DataFrame | None = None, *, root: str = "/data", classes=CLASSES) -> ClipTable:
    return ClipTable("toy", Path(root), classes, make_frame() if frame is None else frame)


def test_what_the_frame_says():
    table = make_table()
    assert len(table) == 4
    assert table.labels.tolist() == [0, 0, 1, 1]
    assert table.groups.tolist() == ["s1", "s2", "s3", "s3"]
    assert table.train_ids.tolist() == [0, 3]
    assert table.test_ids.tolist() == [1]
    assert {table.labels.dtype, table.train_ids.dtype, table.test_ids.dtype} == {np.dtype(np.int64)}
    assert table.paths()[2] == Path("/data/wave/c.avi")
    assert "4 clips, 2 classes, 2 train, 1 test" in repr(table)


def test_paths_are_absolute_below_a_relative_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert make_table(root="here").paths()[0] == tmp_path / "here" / "dive" / "a.avi"


def test_the_fingerprint_is_that_of_the_contents():
    fingerprint = make_table().fingerprint
    assert len(fingerprint) == 64
    assert int(fingerprint, 16) >= 0
    assert make_table(root="/elsewhere").fingerprint == fingerprint
    assert make_table(make_frame().drop(columns="quality")).fingerprint == fingerprint
    assert make_table(make_frame().astype({"path": object, "group": object})).fingerprint == fingerprint


def test_the_fingerprint_never_changes_between_versions():
    """Stores and records on users' disks are named by it."""
    assert make_table().fingerprint == "b9c64b50063d79d94db1e1fd05332503422f80219482cb9f74c3de8af0e419d7"


@pytest.mark.parametrize(
    ("column", "value"), [("path", "dive/z.avi"), ("label", 1), ("split", "unused"), ("group", "s9"), ("bytes", 11)]
)
def test_the_fingerprint_feels_every_column(column, value):
    frame = make_frame()
    frame.loc[0, column] = value
    assert make_table(frame).fingerprint != make_table().fingerprint


def test_the_fingerprint_feels_classes_and_boundaries():
    assert make_table(classes=("dive", "run")).fingerprint != make_table().fingerprint
    joined, parted = make_frame(), make_frame()
    joined["group"] = ["ab", "c", "x", "x"]
    parted["group"] = ["a", "bc", "x", "x"]
    assert make_table(joined).fingerprint != make_table(parted).fingerprint


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", 2, "row 1: label is 2; legal: 0 to 1"),
        ("label", -1, "row 1: label is -1; legal: 0 to 1"),
        ("bytes", -5, "row 1: bytes is -5; legal: 0 or more"),
        ("split", "val", "row 1: split is 'val'; legal: train, test, unused"),
        ("group", "", "row 1: group is ''"),
        ("path", "", "row 1: path is ''"),
        ("path", "/etc/x.avi", "row 1: path is '/etc/x.avi'; legal: a path below"),
        ("path", "dive/../../x.avi", "legal: a path below"),
        ("path", "dive/a.avi", "row 1: path is 'dive/a.avi'; legal: every path once"),
        ("group", None, "column 'group' holds something else than text"),
    ],
)
def test_a_wrong_value_is_named_with_its_row(column, value, message):
    frame = make_frame()
    frame[column] = frame[column].astype(object if value is None else frame[column].dtype)
    frame.loc[1, column] = value
    with pytest.raises(UserError) as error:
        make_table(frame)
    assert "table of 'toy'" in str(error.value)
    assert message in str(error.value)


def test_dots_in_a_name_are_no_way_out():
    frame = make_frame()
    frame.loc[0, "path"] = "dive/..a..b.avi"
    assert len(make_table(frame)) == 4


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (make_frame().drop(columns="group"), "no column 'group'; legal: path, label, split, group, bytes"),
        (make_frame().iloc[::-1], "not numbered 0, 1, 2"),
        (make_frame().iloc[:0], "there is no clip"),
        (make_frame().astype({"label": float}), "column 'label' holds float64; legal: int64"),
        (make_frame().astype({"bytes": str}), "column 'bytes' holds"),
        (make_frame().assign(path=[1, 2, 3, 4]), "column 'path' holds something else than text"),
    ],
)
def test_a_wrong_frame_is_refused(frame, message):
    with pytest.raises(UserError, match=message):
        make_table(frame)


@pytest.mark.parametrize(
    ("classes", "message"),
    [((), "legal: one or more names"), (("a", ""), "legal: one"), (("a", "a"), "'a' stands twice")],
)
def test_wrong_classes_are_refused(classes, message):
    with pytest.raises(UserError, match=message):
        make_table(classes=classes)


@pytest.mark.slow
def test_a_million_clips():
    n = 1_000_000
    number = pd.Series(range(n)).astype(str)
    frame = pd.DataFrame({"path": "c/" + number + ".avi", "label": np.arange(n) % 50, "split": "train"})
    frame = frame.assign(group=number, bytes=np.ones(n, dtype=np.int64))
    frame.loc[::4, "split"] = "test"
    table = make_table(frame, classes=tuple(map(str, range(50))))
    assert len(table.train_ids) == 750_000
    assert len(table.fingerprint) == 64


@pytest.mark.slow
def test_it_needs_no_torch():
    code = "import clnorm.data.table, clnorm.data.datasets.hmdb51, clnorm.files, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
