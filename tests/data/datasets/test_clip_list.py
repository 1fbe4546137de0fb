"""clips.csv comes back as it was written, whatever the names; the reader of any folder tests what is wrong in it."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.data.datasets.clip_list import INDEX, read_clip_list, read_sizes, write_clip_list
from clnorm.errors import ClnormError

names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)


@pytest.mark.slow
@settings(max_examples=60)
@given(rows=st.lists(st.tuples(names, names), min_size=1, max_size=5, unique_by=lambda row: row[0]))
def test_any_names_are_read_back(rows):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        frame = pd.DataFrame([(f"videos/{path}", label) for path, label in rows], columns=["path", "label"])
        write_clip_list(root, frame)
        assert read_clip_list(root).to_dict("list") == frame.to_dict("list")
        assert [path.name for path in root.iterdir()] == [INDEX]


def test_sizes_come_in_the_order_asked_for(tmp_path):
    for number, name in enumerate(("b/2.mp4", "a/1.mp4", "a/b/3.mp4", "top.mp4")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * number)
    sizes = read_sizes(tmp_path, pd.Series(["top.mp4", "a/b/3.mp4", "b/2.mp4", "a/1.mp4"]))
    assert sizes.tolist() == [3, 2, 0, 1]
    assert sizes.dtype == np.int64


def test_a_full_disk_leaves_the_list_as_it_was(tmp_path, monkeypatch):
    old = pd.DataFrame({"path": ["a.mp4"], "label": ["x"]})
    write_clip_list(tmp_path, old)

    def fail(table, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clnorm.data.datasets.clip_list.csv.write_csv", fail)
    with pytest.raises(ClnormError, match="No space left on device"):
        write_clip_list(tmp_path, old.assign(label="y"))
    assert [path.name for path in tmp_path.iterdir()] == [INDEX]
    assert read_clip_list(tmp_path)["label"].tolist() == ["x"]
