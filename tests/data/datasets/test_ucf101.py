"""The reader of UCF101: its lists, layouts and names, and every way in which they can be wrong."""

import shutil
from pathlib import Path

import pytest

from clnorm.data.datasets import ucf101
from clnorm.errors import UserError

CLIPS = {
    "Hammering": {1: "train", 2: "train", 8: "test"},
    "HammerThrow": {3: "train", 9: "test"},
    "HandstandPushups": {1: "test", 4: "train"},
}


def name_clip(folder, group):
    return f"v_{folder.replace('HandstandP', 'HandStandP')}_g{group:02}_c01.avi"


@pytest.fixture
def toy(tmp_path) -> Path:
    root = tmp_path / "ucf"
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("34 Hammering\n35 HammerThrow\r\n36 HandstandPushups\n37 HandstandWalking\n")
    lines = {"train": ["HandstandWalking/v_HandstandWalking_g01_c01.avi 37"], "test": []}
    for number, (folder, uses) in enumerate(CLIPS.items(), 34):
        (root / "UCF-101" / folder).mkdir(parents=True)
        for group, use in uses.items():
            (root / "UCF-101" / folder / name_clip(folder, group)).write_bytes(b"xy")
            lines[use].append(f"{folder}/{name_clip(folder, group)}" + (f" {number}" if use == "train" else ""))
    for use, own in lines.items():
        (lists / f"{use}list01.txt").write_text("\n".join(own) + "\n")
    return root


def read_error(root, **options) -> str:
    with pytest.raises(UserError) as error:
        ucf101.read(root, **options)
    return str(error.value)


def test_classes_come_in_the_official_order_and_a_subset_is_legal(toy):
    table = ucf101.read(toy)
    assert table.classes == ("Hammering", "HammerThrow", "HandstandPushups")
    assert (len(table), len(table.train_ids), len(table.test_ids)) == (7, 4, 3)
    assert table.frame.iloc[5].to_dict() == {
        "path": "UCF-101/HandstandPushups/v_HandStandPushups_g01_c01.avi",
        "label": 2,
        "split": "test",
        "group": "HandstandPushups_g01",
        "bytes": 2,
        "listed": "v_HandStandPushups_g01_c01.avi",
    }
    assert len(set(table.groups)) == 7


@pytest.mark.parametrize("folder", ucf101.LIST_FOLDERS)
@pytest.mark.parametrize("videos", ["", "videos", "UCF-101"])
def test_every_layout_gives_the_same_clips(toy, tmp_path, folder, videos):
    root = tmp_path / "other"
    shutil.copytree(toy / "UCF-101", root / videos)
    shutil.copytree(toy / "ucfTrainTestlist", root / folder, dirs_exist_ok=True)
    table, expected = ucf101.read(root), ucf101.read(toy)
    assert table.classes == expected.classes
    assert table.frame.drop(columns="path").equals(expected.frame.drop(columns="path"))


def test_the_long_tail(toy):
    table = ucf101.read(toy, imbalance=1.0)
    assert len(table.train_ids) == 4
    assert "'imbalance': 5 leaves the smallest class without" in read_error(toy, imbalance=5.0)


def test_what_is_wrong_is_named(toy):
    assert "pass --data-root" in read_error(None)
    assert "there is no split 4; legal: 1, 2, 3" in read_error(toy, split=4)
    assert "there is no list trainlist02.txt; legal: in this folder, splits/" in read_error(toy, split=2)


def test_a_missing_and_a_superfluous_clip(toy):
    clip = toy / "UCF-101" / "Hammering" / "v_Hammering_g01_c01.avi"
    clip.rename(clip.with_name("v_Hammering_g01_c02.avi"))
    assert "1 clip ('v_Hammering_g01_c01.avi') in the list but not on disk" in read_error(toy)
    shutil.copy(clip.with_name("v_Hammering_g01_c02.avi"), clip)
    assert "1 clip ('v_Hammering_g01_c02.avi') on disk but not in the list" in read_error(toy)


def test_a_folder_that_is_no_class(toy):
    (toy / "UCF-101" / "Hamering").mkdir()
    assert "'Hamering' is no class of UCF101; did you mean 'Hammering'?" in read_error(toy)


def test_malformed_lists(toy):
    lists = toy / "ucfTrainTestlist"
    with (lists / "testlist01.txt").open("a") as file:
        file.write("\nv_Hammering_g01_c01.avi\n")
    assert "testlist01.txt:5: cannot read 'v_Hammering_g01_c01.avi'" in read_error(toy)
    (lists / "testlist01.txt").write_text("Hammering/v_Hammering_g01_c01.avi\n")
    assert "testlist01.txt:1: 'v_Hammering_g01_c01.avi' is listed twice" in read_error(toy)
    (lists / "testlist01.txt").unlink()
    assert "testlist01.txt: there is no such list" in read_error(toy)


def test_malformed_class_numbers(toy):
    (toy / "ucfTrainTestlist" / "classInd.txt").write_text("Hammering\n")
    assert "classInd.txt:1: cannot read 'Hammering'" in read_error(toy)


@pytest.mark.parametrize("clip", ["v_Hammering_1.avi", "v_HammerThrow_g01_c01.avi", "x_Hammering_g01_c01.avi"])
def test_a_name_without_a_group(toy, clip):
    with pytest.raises(UserError, match="cannot read the group from the name"):
        ucf101.parse_group(clip, "Hammering", where=toy)


def test_without_lists_the_error_names_a_split_by_source(tmp_path):
    (tmp_path / "Archery").mkdir()
    (tmp_path / "Archery" / "v_Archery_g01_c01.avi").write_bytes(b"x")
    with pytest.raises(UserError, match=r"no list trainlist01.txt.*--dataset folder:group=prefix"):
        ucf101.read(tmp_path)
