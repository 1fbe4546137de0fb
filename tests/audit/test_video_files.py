"""The section on files: bad and short clips, headers, tags."""

import numpy as np
import pandas as pd
import pytest
import torch

from clnorm.audit.verdicts import Mark
from clnorm.audit.video_files import Header, examine, read_header


@pytest.fixture
def one_size(monkeypatch):
    monkeypatch.setattr("clnorm.audit.video_files.read_header", lambda path: Header(64, 48, 30.0))


def test_a_header_is_read_from_the_file(tmp_path):
    from torchcodec.encoders import VideoEncoder

    path = tmp_path / "a #&[b].avi"
    VideoEncoder(torch.zeros(6, 3, 48, 64, dtype=torch.uint8), frame_rate=25).to_file(path, codec="mpeg4")
    assert read_header(path) == Header(64, 48, 25.0)
    path.write_text("no video")
    assert read_header(path) == Header(None, None, None)
    assert read_header(tmp_path / "absent.avi") == Header(None, None, None)


@pytest.mark.usefixtures("one_size")
def test_whole_files_of_one_kind_are_ok(clean):
    section = examine(clean())
    assert section.verdict.mark is Mark.OK
    assert "one size (64 x 48), one frame rate (30)" in section.verdict.text
    assert section.values["frames"] == {"min": 4, "median": 4, "max": 4}


@pytest.mark.usefixtures("one_size")
def test_bad_clips_are_named_with_their_reasons(clean):
    section = examine(clean(bad=[3, 20]))
    assert section.verdict.mark is Mark.WARNING
    assert "2 of 48 clips cannot be decoded" in section.verdict.text
    assert section.values["bad"] == {"class0/3.avi": "spoilt", "class1/20.avi": "spoilt"}
    assert section.grids[0].rows == (("class0/3.avi", "spoilt"), ("class1/20.avi", "spoilt"))


@pytest.mark.usefixtures("one_size")
def test_short_clips_and_wrong_headers_are_counted(clean):
    subject = clean()
    subject.store.info["decoded"] = np.where(np.arange(48) < 5, 2, 9)
    subject.store.info["header"] = pd.array([None, 2, 3] + [9] * 45, dtype="Int64")
    section = examine(subject)
    assert section.verdict.mark is Mark.NOTE
    assert "frames: 2 to 9, median 9; 5 shorter than T = 4" in section.verdict.text
    assert section.values["short"] == [f"class0/{k}.avi" for k in range(5)]
    assert section.values["header_differs"] == 3  # clips 2, 3 and 4; a header that says nothing is not wrong
    assert section.values["header_differs_in"] == [f"class0/{k}.avi" for k in (2, 3, 4)]
    (grid,) = (grid for grid in section.grids if "Headers" in grid.caption)
    assert grid.rows == tuple((f"class0/{k}.avi", claimed, 2) for k, claimed in ((2, 3), (3, 9), (4, 9)))
    assert "is no fault" in section.method


@pytest.mark.usefixtures("one_size")
def test_of_many_wrong_headers_the_first_are_in_the_table_and_all_in_the_values(clean):
    subject = clean()
    assert not [grid for grid in examine(subject).grids if "Headers" in grid.caption]
    subject.store.info["header"] = pd.array([5] * 48, dtype="Int64")
    section = examine(subject)
    (grid,) = (grid for grid in section.grids if "Headers" in grid.caption)
    assert grid.caption == "Headers that count other frames than decoding (the first 10 of 48)"
    assert grid.rows == tuple((subject.path(clip), 5, 4) for clip in range(10))
    assert len(section.values["header_differs_in"]) == 48


@pytest.mark.usefixtures("one_size")
def test_clips_spaced_unevenly_in_time_are_named(clean):
    subject = clean()
    subject.store.info.loc[[2, 7], "uneven"] = True
    section = examine(subject)
    assert section.verdict.mark is Mark.NOTE
    assert "frames spaced unevenly in time: 2" in section.verdict.text
    assert section.values["uneven"] == ["class0/2.avi", "class0/7.avi"]


def test_sizes_that_differ_are_a_note(clean, monkeypatch):
    monkeypatch.setattr(
        "clnorm.audit.video_files.read_header", lambda path: Header(80 if path.name == "0.avi" else 64, 48, None)
    )
    section = examine(clean())
    assert section.verdict.mark is Mark.NOTE
    assert "2 sizes (most often 64 x 48, 47 clips), one frame rate (not stated)" in section.verdict.text


@pytest.mark.usefixtures("one_size")
def test_tags_are_told_by_split(clean):
    quality = ["bad" if k % 16 >= 10 else "goo" for k in range(48)]
    (grid,) = (grid for grid in examine(clean(quality=quality)).grids if grid.caption == "Tags")
    assert grid.rows == (("quality: bad", 18, 0.0, 100.0), ("quality: goo", 30, 100.0, 0.0))
    assert not any(grid.caption == "Tags" for grid in examine(clean()).grids)
