"""The reader of HMDB51: the official files, every accepted layout, and every way in which a folder can be wrong."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clnorm.data.datasets import hmdb51
from clnorm.errors import UserError

TAGS = "f_cm_np1_le_bad"
TOY = {
    "dive": {f"s1_dive_{TAGS}_0.avi": 1, f"s2_dive_{TAGS}_0.avi": 2},
    "brush_hair": {"April_09_brush_hair_u_nm_np2_ba_goo_10.avi": 1, f"s1_brush_hair_{TAGS}_3.avi": 0},
}


def read_error(root: Path | None, **options: int) -> str:
    with pytest.raises(UserError) as error:
        hmdb51.read(root, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def toy(tmp_path, write_layout) -> Path:
    return write_layout(tmp_path / "toy", TOY)


@pytest.mark.parametrize(
    ("split", "train", "test", "fingerprint"),
    [(1, 665, 257, "c8868cb27464"), (2, 505, 248, "169c95b465db"), (3, 511, 241, "bfa6d4feea7b")],
)
def test_real_clips(shared_data, split, train, test, fingerprint):
    """The fingerprints are those of before files of other containers were read: finished runs are found by them."""
    table = hmdb51.read(shared_data / "data" / "hmdb21", split=split)
    assert (len(table), len(table.train_ids), len(table.test_ids)) == (922, train, test)
    assert (len(table.classes), table.classes[0], table.classes[-1]) == (21, "brush_hair", "wave")
    assert table.fingerprint[:12] == fingerprint
    assert all(path.stat().st_size == size for path, size in zip(table.paths(), table.frame["bytes"], strict=True))
    sources = table.frame.groupby("split")[["label", "group"]].apply(lambda clips: set(clips.itertuples(index=False)))
    assert sources["train"].isdisjoint(sources["test"])


@pytest.mark.slow
@pytest.mark.parametrize("split", [1, 2, 3])
def test_all_51_official_split_files(official, split):
    """The official counts: 70 training and 30 test clips a class, 1,666 unused."""
    table = hmdb51.read(official, split=split)
    assert len(table.classes) == 51
    assert table.frame["split"].value_counts().to_dict() == {"train": 3570, "test": 1530, "unused": 1666}
    counts = table.frame.groupby(["label", "split"]).size().unstack()
    assert counts["train"].eq(70).all()
    assert counts["test"].eq(30).all()


@pytest.mark.slow
@pytest.mark.parametrize(("split", "leaking"), [(1, 459), (2, 415), (3, 454)])
def test_train_plus_leaves_out_what_shares_class_and_source_with_a_test_clip(official, split, leaking):
    """Counted by a loop over the official names: 459, 415 and 454 unused clips leak in the three splits."""
    plain, plus = hmdb51.read(official, split=split).frame, hmdb51.read(official, split=split, train_plus=True).frame
    tested = {(row.label, row.group) for row in plain.itertuples() if row.split == "test"}
    expected = [
        "train" if row.split == "unused" and (row.label, row.group) not in tested else row.split
        for row in plain.itertuples()
    ]
    assert plus["split"].tolist() == expected
    assert (plus["split"] == "unused").sum() == leaking
    assert (plus["split"] == "train").sum() == 3570 + 1666 - leaking
    assert (split, (plus["split"] == "train").sum()) in [(1, 4777), (2, 4821), (3, 4782)]


@pytest.mark.slow
def test_an_induced_long_tail_of_the_official_split(official):
    """70 * 10^(-c/50): from 70 clips to 7, with all test clips."""
    table = hmdb51.read(official, imbalance=10.0, tail_seed=3)
    counts = table.frame[table.frame["split"] == "train"].groupby("label").size()
    assert sorted(counts, reverse=True) == [round(70 * 10 ** (-c / 50)) for c in range(51)]
    assert len(table.test_ids) == 1530
    other = hmdb51.read(official, imbalance=10.0, tail_seed=4).frame["split"]
    assert hmdb51.read(official, imbalance=10.0, tail_seed=3).frame["split"].equals(table.frame["split"])
    assert not other.equals(table.frame["split"])


def test_a_clip_in_full(toy):
    table = hmdb51.read(toy)
    assert (table.name, table.classes) == ("hmdb51", ("brush_hair", "dive"))
    assert table.frame.iloc[0].to_dict() == {
        "path": "videos/brush_hair/April_09_brush_hair_u_nm_np2_ba_goo_10.avi",
        "label": 0,
        "split": "train",
        "group": "April_09",
        "bytes": 1,
        "listed": "April_09_brush_hair_u_nm_np2_ba_goo_10.avi",
        "visible": "u",
        "camera": "nm",
        "people": 2,
        "view": "ba",
        "quality": "goo",
    }
    assert table.frame["split"].tolist() == ["train", "unused", "train", "test"]
    assert all(path.is_file() for path in table.paths())


@pytest.mark.parametrize("folder", hmdb51.LIST_FOLDERS)
@pytest.mark.parametrize("videos", ["", "videos"])
def test_every_layout_gives_the_same_clips(toy, tmp_path, folder, videos):
    root = tmp_path / "other"
    shutil.copytree(toy / "videos", root / videos)
    shutil.copytree(toy / "splits", root / folder, dirs_exist_ok=True)
    (root / ".hidden").mkdir()
    (root / videos / "dive" / "._s1.avi").touch()
    (root / videos / "dive" / "Thumbs.db").touch()
    table, expected = hmdb51.read(root), hmdb51.read(toy)
    assert table.classes == expected.classes
    assert table.frame.drop(columns="path").equals(expected.frame.drop(columns="path"))


def test_split_files_from_windows_are_read(toy):
    file = toy / "splits" / "dive_test_split1.txt"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b" \n", b"\t\r\n") + b"\r\n")
    assert len(hmdb51.read(toy).train_ids) == 2


def test_names_with_every_odd_character(tmp_path, write_layout):
    clips = [f"a!(1)#[2]&b+c;d~e@ f_dive_{TAGS}_0.avi", f"*?_dive_{TAGS}_0.avi", f"_dive_{TAGS}_dive_{TAGS}_7.avi"]
    table = hmdb51.read(write_layout(tmp_path / "odd", {"dive": dict.fromkeys(clips, 1)}))
    assert sorted(table.groups) == ["*?", f"_dive_{TAGS}", "a!(1)#[2]&b+c;d~e@ f"]
    assert all(path.is_file() for path in table.paths())


source_names = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P", "S"], exclude_characters="/"), min_size=1
)


@pytest.mark.slow
@settings(max_examples=40)
@given(source=source_names, folder=st.from_regex(r"[a-z]+(_[a-z]+)?", fullmatch=True), people=st.integers(0, 99))
def test_any_source_and_class_are_read_back(write_layout, source, folder, people):
    clip = f"s{source}_{folder}_h_nm_np{people}_ri_med_4.avi"
    with tempfile.TemporaryDirectory() as root:
        frame = hmdb51.read(write_layout(Path(root) / "data", {folder: {clip: 2}})).frame
    assert (frame.loc[0, "group"], frame.loc[0, "people"], frame.loc[0, "split"]) == (f"s{source}", people, "test")


def test_a_mirror_that_writes_at_for_hash_and_ampersand(tmp_path, write_layout):
    listed = {f"a#b_dive_{TAGS}_0.avi": 1, f"c&d_dive_{TAGS}_0.avi": 2, f"e@f_dive_{TAGS}_0.avi": 1}
    root = write_layout(tmp_path / "mirror", {"dive": listed})
    for file in list((root / "videos" / "dive").iterdir()):
        file.rename(file.with_name(file.name.replace("#", "@").replace("&", "@")))
    table = hmdb51.read(root)
    assert table.groups.tolist() == ["a#b", "c&d", "e@f"]
    assert table.frame["split"].tolist() == ["train", "test", "train"]
    assert all(path.is_file() for path in table.paths())


def test_a_mirrored_name_that_could_be_two_clips_is_no_match(tmp_path, write_layout):
    listed = {f"a#b_dive_{TAGS}_0.avi": 1, f"a&b_dive_{TAGS}_0.avi": 2}
    root = write_layout(tmp_path / "mirror", {"dive": listed})
    (root / "videos" / "dive" / f"a#b_dive_{TAGS}_0.avi").unlink()
    (root / "videos" / "dive" / f"a&b_dive_{TAGS}_0.avi").rename(root / "videos" / "dive" / f"a@b_dive_{TAGS}_0.avi")
    assert f"2 clips ('a#b_dive_{TAGS}_0.avi', 'a&b_dive_{TAGS}_0.avi') in the split file but not" in read_error(root)


def test_no_root():
    assert "hmdb51: the dataset lies in a folder of yours; pass --data-root" in read_error(None)


def test_no_such_split(toy):
    assert "there is no split 4; legal: 1, 2, 3" in read_error(toy, split=4)


def test_a_missing_root(tmp_path):
    message = read_error(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in message
    assert "No such file or directory" in message
    assert "--data-root" in message


def test_a_root_that_is_a_file(tmp_path):
    (tmp_path / "hmdb51_org.rar").touch()
    assert "Not a directory" in read_error(tmp_path / "hmdb51_org.rar")


def test_an_empty_root(tmp_path):
    assert f"{tmp_path}: there is no class folder" in read_error(tmp_path)


def test_nothing_but_split_files(toy):
    shutil.rmtree(toy / "videos")
    assert f"{toy}: there is no class folder" in read_error(toy)


def test_no_split_files(toy):
    message = read_error(toy, split=2)
    assert "there is no split file <class>_test_split2.txt" in message
    assert "splits/, testTrainMulti_7030_splits/" in message


def test_a_class_without_split_file(toy):
    (toy / "splits" / "dive_test_split1.txt").unlink()
    assert "dive_test_split1.txt: there is no such split file; add it, or move the class folder away" in read_error(toy)


def test_a_class_without_clips(toy):
    (toy / "videos" / "empty").mkdir()
    assert "videos/empty: the class folder holds no .avi clip" in read_error(toy)


def test_listed_clips_that_are_not_there(toy):
    for clip in TOY["dive"]:
        (toy / "videos" / "dive" / clip).rename(toy / "videos" / "dive" / f"other_{clip}")
    assert (
        f"videos/dive: 2 clips ('s1_dive_{TAGS}_0.avi', 's2_dive_{TAGS}_0.avi') in the split file but not on disk"
        in (read_error(toy))
    )


def test_clips_that_are_not_listed(toy):
    for number in range(5):
        (toy / "videos" / "dive" / f"s9_dive_{TAGS}_{number}.avi").touch()
    message = read_error(toy)
    assert f"5 clips ('s9_dive_{TAGS}_0.avi', 's9_dive_{TAGS}_1.avi', 's9_dive_{TAGS}_2.avi', ...) on disk" in message


@pytest.mark.parametrize("line", ["x.avi", "x.avi 3", "x.avi 12", "1", "x.avi1", "x.avi yes 1 2 x"])
def test_a_malformed_line_is_named_with_its_number(toy, line):
    with (toy / "splits" / "dive_test_split1.txt").open("a") as file:
        file.write(f"\n{line}\n")
    message = read_error(toy)
    assert f"dive_test_split1.txt:4: cannot read {line!r}; legal: 'name.avi 1'" in message


def test_a_clip_listed_twice(toy):
    with (toy / "splits" / "dive_test_split1.txt").open("a") as file:
        file.write(f"s1_dive_{TAGS}_0.avi 2\n")
    assert f"dive_test_split1.txt:3: 's1_dive_{TAGS}_0.avi' is listed twice" in read_error(toy)


def test_a_split_file_that_is_no_text(toy):
    (toy / "splits" / "dive_test_split1.txt").write_bytes(b"\xff\xfe\x00")
    assert re.search(r"dive_test_split1.txt: cannot read the split file: .*utf-8", read_error(toy))


@pytest.mark.parametrize(
    "clip", ["video7.avi", f"s1_wave_{TAGS}_0.avi", f"_dive_{TAGS}_0.avi", "s_dive_f_xx_np1_le_bad_0.avi"]
)
def test_a_name_without_a_source(tmp_path, write_layout, clip):
    root = write_layout(tmp_path / "data", {"dive": {clip: 1}})
    assert f"cannot read the source from the name {clip!r}; legal: <source>_dive_" in read_error(root)
