"""Listed clips and files: mirrors' names, other containers, and what nothing can tell."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clnorm.data.datasets import hmdb51, ucf101
from clnorm.data.datasets.layout import SUFFIXES
from clnorm.data.datasets.match import (
    count_substitutes,
    describe_substitutes,
    match_clips,
    official_name,
    substitutes_of,
)
from clnorm.errors import UserError

TAGS = "f_cm_np1_le_bad"
TOY = {
    label: {f"s1#_{label}_{TAGS}_0.avi": 1, f"s2_{label}_{TAGS}_0.avi": 2, f"s3_{label}_{TAGS}_1.avi": 0}
    for label in ("dive", "wave")
}


@pytest.mark.parametrize(
    ("listed", "files", "found"),
    [
        (["a.avi"], ["a.avi"], {"a.avi": "a.avi"}),
        (["a.avi"], ["a.mp4"], {"a.avi": "a.mp4"}),
        (["a.avi"], ["a.MKV"], {"a.avi": "a.MKV"}),
        (["a.avi"], ["a.AVI"], {"a.avi": "a.AVI"}),
        (["a.avi"], ["a.avi.mp4"], {"a.avi": "a.avi.mp4"}),
        (["a#b.avi"], ["a@b.webm"], {"a#b.avi": "a@b.webm"}),
        (["a#b.avi", "a&b.avi"], ["a#b.mp4", "a&b.mp4"], {"a#b.avi": "a#b.mp4", "a&b.avi": "a&b.mp4"}),
        (["a#b.avi", "a&b.avi"], ["a@b.mp4"], {}),
        (["a.avi"], ["a.mp4", "a.mkv"], {}),
        (["a.avi"], ["a.txt"], {}),
        (["a.avi"], ["a"], {"a.avi": "a"}),
        (["a.b.avi", "a.avi"], ["a.b.mp4", "a.mp4"], {"a.b.avi": "a.b.mp4", "a.avi": "a.mp4"}),
        (["a.avi"], ["A.mp4"], {}),
        (["a.avi", "b.avi"], ["a.avi", "a.mp4"], {"a.avi": "a.avi"}),
    ],
)
def test_pairs(listed, files, found):
    match = match_clips(listed, files)
    assert match.files == found
    assert match.absent == sorted(set(listed) - found.keys())
    assert match.extra == sorted(set(files) - set(found.values()))


names = st.text(st.sampled_from("ab#&@._1é "), min_size=1, max_size=8).map(lambda stem: f"x{stem}.avi")


@pytest.mark.slow
@given(st.sets(names), st.sampled_from([".avi", *sorted(SUFFIXES)]), st.booleans())
def test_copies_are_found_or_doubtful_and_never_another_clips(listed, suffix, mirrored):
    """Each file made of a listed clip is that clip's, or several clips come to one name and none is taken."""

    def copy(clip: str) -> str:
        clip = official_name(clip, f"x{suffix}")
        return clip.replace("#", "@").replace("&", "@") if mirrored else clip

    match = match_clips(listed, {copy(clip) for clip in listed})
    assert all(copy(clip) == file for clip, file in match.files.items())
    if not mirrored:
        assert match.files.keys() == listed


def test_two_files_of_one_name_are_named(tmp_path, write_layout):
    root = write_layout(tmp_path / "data", TOY)
    for suffix in ("avi", "mp4"):
        (root / "videos" / "dive" / f"s2_dive_{TAGS}_0.{suffix}").write_bytes(b"x")
    with pytest.raises(UserError) as error:
        hmdb51.read(root)
    assert f"2 clips ('s2_dive_{TAGS}_0.avi', 's2_dive_{TAGS}_0.mp4') of one name but for the suffix" in str(
        error.value
    )
    assert "keep one file of each" in str(error.value)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_hmdb51_in_another_container(tmp_path, write_layout, suffix):
    expected = hmdb51.read(write_layout(tmp_path / "official", TOY))
    root = write_layout(tmp_path / "copy", TOY)
    for file in list(root.glob("videos/*/*.avi")):
        file.rename(file.with_suffix(f".{suffix}"))
    table = hmdb51.read(root)
    assert all(path.is_file() for path in table.paths())
    assert table.frame.drop(columns="path").equals(expected.frame.drop(columns="path"))
    assert table.frame["path"].tolist() == [path.replace(".avi", f".{suffix}") for path in expected.frame["path"]]
    assert substitutes_of(table) == {f".{suffix} for .avi": 6}
    assert substitutes_of(expected) == {}


def test_ucf101_in_another_container(tmp_path):
    (tmp_path / "classInd.txt").write_text("1 Archery\n2 YoYo\n")
    for role, group in (("train", 8), ("test", 1)):
        lines = [f"{label}/v_{label}_g{group:02}_c01.avi\n" for label in ("Archery", "YoYo")]
        (tmp_path / f"{role}list01.txt").write_text("".join(lines))
    for label in ("Archery", "YoYo"):
        (tmp_path / label).mkdir()
        for group in (1, 8):
            (tmp_path / label / f"v_{label}_g{group:02}_c01.mkv").write_bytes(b"x")
    table = ucf101.read(tmp_path)
    assert table.groups.tolist() == ["Archery_g01", "Archery_g08", "YoYo_g01", "YoYo_g08"]
    assert table.frame["split"].tolist() == ["test", "train"] * 2
    assert substitutes_of(table) == {".mkv for .avi": 4}


def test_what_is_counted_and_said():
    pairs = [("a.avi", "a.avi"), ("b.avi", "b.mp4"), ("c#.avi", "c@.avi"), ("d&.avi", "d@.mp4"), ("e.avi", "e.avi.mkv")]
    pairs += [("f.avi", "f.AVI"), ("g", "g.avi")]
    ways = count_substitutes(pairs)
    assert ways == {".mkv for .avi": 1, ".mp4 for .avi": 2, "@ for # and &": 2}
    said = "clips are read from files of other names than the lists say: 1 with .mkv for .avi, 2 with .mp4 for .avi, "
    assert describe_substitutes(ways).startswith(said)
    assert "other pixels" in describe_substitutes(ways)
    assert "pixels" not in describe_substitutes({"@ for # and &": 2})
    assert describe_substitutes({}) == ""


@pytest.mark.parametrize(
    ("listed", "file", "name"),
    [
        ("a.avi", "a.mp4", "a.mp4"),
        ("a#.avi", "a@.mkv", "a#.mkv"),
        ("a#.avi", "a@.avi", "a#.avi"),
        ("a.avi", "a.avi.mp4", "a.mp4"),
    ],
)
def test_the_name_that_a_prepared_copy_is_given(listed, file, name):
    assert official_name(listed, file) == name
    assert match_clips([listed], [name]).files == {listed: name}


def test_a_class_without_video(tmp_path, write_layout):
    root = write_layout(tmp_path / "data", TOY)
    for file in (root / "videos" / "dive").iterdir():
        file.rename(file.with_suffix(".txt"))
    with pytest.raises(UserError, match=r"the class folder holds no \.avi clip, nor one in another container"):
        hmdb51.read(Path(root))
