"""Any folder of videos as a dataset: by its folders or by clips.csv, split by group, and every way to be wrong."""

import csv
import os
from pathlib import Path

import pandas as pd
import pytest

from clnorm.data.datasets.folder import read, scan_folders
from clnorm.data.datasets.layout import SUFFIXES
from clnorm.data.datasets.sources import name_groups
from clnorm.errors import UserError

ODD = ["a!(1)#[2]&b;c.mp4", "日本 é.MOV", "*?.mkv", 'x, "y".webm', "~@+.avi"]


@pytest.fixture
def toy(tmp_path) -> Path:
    """Two classes of six clips, three films of two scenes each."""
    root = tmp_path / "toy"
    for label in ("dive", "wave"):
        (root / label).mkdir(parents=True)
        for film in ("a", "b", "c"):
            for scene in (1, 2):
                (root / label / f"{label}-{film}_{scene}.mp4").write_bytes(b"x" * scene)
    return root


def write_csv(root: Path, rows: list[list[str]]) -> Path:
    root.mkdir(exist_ok=True)
    with (root / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


def read_error(root, **options) -> str:
    with pytest.raises(UserError) as error:
        read(root, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_class_folders(toy):
    table = read(toy)
    assert table.classes == ("dive", "wave")
    assert table.frame["path"].tolist()[:2] == ["dive/dive-a_1.mp4", "dive/dive-a_2.mp4"]
    assert table.frame["bytes"].tolist() == [1, 2] * 6
    assert table.groups.tolist() == table.frame["path"].tolist()
    counts = table.frame.groupby(["label", "split"]).size().unstack()
    assert counts["test"].tolist() == [2, 2]  # 0.3 of six clips is 1.8


def test_the_split_follows_its_seed_and_share(toy):
    def tested(**options):
        return read(toy, **options).frame["split"].tolist()

    assert tested() == tested(split_seed=0, test_share=0.3)
    assert len({tuple(tested(split_seed=seed)) for seed in range(8)}) > 1
    assert tested(test_share=0.5).count("test") == 6


def test_groups_by_prefix_and_by_folder(toy):
    table = read(toy, group="prefix")
    assert table.groups.tolist()[:3] == ["dive-a", "dive-a", "dive-b"]
    sides = table.frame.groupby("group")["split"].nunique()
    assert (sides == 1).all()
    for path in list(toy.rglob("*.mp4")):
        film = path.parent / path.stem.partition("_")[0]
        film.mkdir(exist_ok=True)
        path.rename(film / path.name)
    assert read(toy, group="folder").groups.tolist() == table.groups.tolist()


def test_a_clip_without_such_a_name_is_a_group_of_its_own():
    paths, labels = pd.Series(["dive/a_b_1.mp4", "dive/plain.mp4", "top.mp4"]), pd.Series(["dive"] * 3)
    assert name_groups(paths, labels, "prefix").tolist() == ["a_b", "dive/plain.mp4", "top.mp4"]
    assert name_groups(paths, labels, "folder").tolist() == ["dive", "dive", "top.mp4"]
    for group in ("auto", "name"):
        assert name_groups(paths, labels, group).tolist() == paths.tolist()


def test_a_videos_folder_and_names_with_every_odd_character(tmp_path):
    for label in ("dive", "été [1]"):
        (tmp_path / "videos" / label).mkdir(parents=True)
        for name in ODD:
            (tmp_path / "videos" / label / name).touch()
        (tmp_path / "videos" / label / "notes.txt").touch()
        (tmp_path / "videos" / label / ".hidden.mp4").touch()
    table = read(tmp_path)
    assert table.classes == ("dive", "été [1]")
    assert sorted(Path(path).name for path in table.frame["path"]) == sorted(ODD * 2)
    assert all(path.is_file() for path in table.paths())


def test_folders_train_and_test_are_the_split(toy, tmp_path):
    root = tmp_path / "parts"
    for split in ("train", "test"):
        for label in ("dive", "wave"):
            (root / split / label).mkdir(parents=True)
            (root / split / label / "1.mp4").touch()
    table = read(root)
    assert table.classes == ("dive", "wave")
    assert table.frame["split"].tolist() == ["test", "test", "train", "train"]
    assert "test_share=0.5, but another split is given already" in read_error(root, test_share=0.5)
    (root / "val").mkdir()
    assert "the folders are test, train, val; legal: train, test" in read_error(root)


def test_a_list_with_path_and_label(toy):
    rows = [[path.relative_to(toy).as_posix(), path.parent.name[0]] for path in sorted(toy.rglob("*.mp4"))]
    write_csv(toy, [["path", "label"], *rows])
    table = read(toy, group="prefix")
    assert table.classes == ("d", "w")
    assert len(table) == 12
    assert table.groups[0] == "dive-a"


def test_a_list_with_every_column(tmp_path):
    for name in [*ODD, "plain.mp4"]:
        (tmp_path / name).write_bytes(b"abc")
    splits = ["train", "test", "train", "test", "unused", "train"]
    rows = [
        [name, f"class {i % 2}", split, f"film{i}", "3"]
        for i, (name, split) in enumerate(zip([*ODD, "plain.mp4"], splits, strict=True))
    ]
    table = read(write_csv(tmp_path, [["path", "label", "split", "group", "bytes"], *rows]))
    assert table.frame["path"].tolist() == [*ODD, "plain.mp4"]
    assert table.frame["split"].tolist() == splits
    assert table.frame["group"].tolist() == [f"film{i}" for i in range(6)]
    assert table.labels.tolist() == [0, 1] * 3
    assert "group=name, but clips.csv has other groups in its column" in read_error(tmp_path, group="name")
    assert "split_seed=1, but another split is given already" in read_error(tmp_path, split_seed=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot read it as a CSV"),
        ("path,label\n", "the list names no clip"),
        (
            "path;label\na,1.mp4;x\n",
            "clips.csv: the first line is 'path;label', with semicolons between the columns; legal: commas; the first",
        ),
        ('\ufeff"path"\t"label"\r\na.mp4\tx\r\n', "with tabs between the columns; legal: commas"),
        ("path|label\na.mp4|x\n", "with vertical bars between the columns; legal: commas"),
        ("path,label;x\na.mp4,x\n", "unknown column 'label;x'; legal: path, label, split, group, bytes"),
        (
            "path,label,splits\na.mp4,x,train\n",
            "unknown column 'splits'; legal: path, label, split, group, bytes; did you",
        ),
        (
            "path,split\na.mp4,train\n",
            "no column 'label'; legal: path, label, split, group, bytes; the first line reads",
        ),
        ("path,label,label\na.mp4,x,x\n", "the column 'label' stands twice"),
        ("path,label\na.mp4\n", "cannot read it as a CSV: CSV parse error: Expected 2 columns, got 1"),
        ("path,label\na.mp4,x\na.mp4,x\n", "clips.csv:3: path is 'a.mp4'; legal: every path once"),
        ("path,label\na.mp4,\n", "clips.csv:2: label is ''; legal: a value in every row"),
        ("path,label\n/etc/passwd,x\n", "clips.csv:2: path is '/etc/passwd'; legal: a path below"),
        ("path,label\nx/../../a.mp4,x\n", "path is 'x/../../a.mp4'; legal: a path below"),
        ("path,label\n./a.mp4,x\n", "path is './a.mp4'; legal: a path below"),
        ("path,label,split\na.mp4,x,val\n", "split is 'val'; legal: train, test, unused"),
        ("path,label,bytes\na.mp4,x,1.5\n", "bytes is '1.5'; legal: the file's size in bytes"),
        ("path,label,bytes\na.mp4,x,9\n", "1 clip ('a.mp4') not of the size in the list; mend the list, or delete it"),
        ("path,label\na.mp4,x\nb.mp4,x\nno/c.mp4,y\n", "2 clips ('b.mp4', 'no/c.mp4') in the list but not on disk"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path, text, message):
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "clips.csv").write_text(text)
    assert message in read_error(tmp_path)


def test_a_list_that_is_no_text(tmp_path):
    (tmp_path / "clips.csv").write_bytes(b"path,label\n\xff\xfe.mp4,x\n")
    assert "cannot read it as a CSV" in read_error(tmp_path)


def test_a_group_in_training_and_in_testing_is_refused(toy):
    rows = [
        [path.relative_to(toy).as_posix(), path.parent.name, "train" if "1" in path.name else "test", path.stem[:-2]]
        for path in sorted(toy.rglob("*.mp4"))
    ]
    write_csv(toy, [["path", "label", "split", "group"], *rows])
    assert "6 groups are in training and in testing ('dive-a', 'dive-b', 'dive-c', ...)" in read_error(toy)


def test_a_class_of_one_group_cannot_be_split(toy):
    for path in (toy / "wave").glob("*-[bc]_*.mp4"):
        path.unlink()
    message = read_error(toy, group="prefix")
    assert "no test clips for: wave; legal: two groups or more a class" in message


@pytest.mark.parametrize("place", ["extra", "wave/extra", "wave/extra.mp4"])
@pytest.mark.parametrize("to_itself", [False, True])
def test_a_link_that_leads_nowhere_is_no_class_or_video_less(toy, place, to_itself):
    link = toy / place
    target = link.name if to_itself else "gone"
    link.symlink_to(target)
    assert f"{link}: this link to '{target}' leads nowhere; remove it" in read_error(toy)


def test_folders_that_are_wrong(toy, tmp_path):
    assert "pass --data-root" in read_error(None)
    assert "No such file" in read_error(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "there is no class folder" in read_error(tmp_path / "empty")
    (toy / "empty").mkdir()
    assert "empty: the class folder holds no video; legal suffixes: .3g2" in read_error(toy)
    (toy / "empty").rmdir()
    (toy / "loose.mp4").touch()
    assert "the video 'loose.mp4' lies outside of class folders" in read_error(toy)


def test_a_name_that_is_no_utf8_is_refused(toy):
    with open(os.fsencode(toy / "dive") + b"/\xff.mp4", "wb"):
        pass
    assert "is no UTF-8; rename the file" in read_error(toy)


def test_every_suffix_is_found_in_any_case(tmp_path):
    (tmp_path / "dive").mkdir()
    for suffix in SUFFIXES:
        (tmp_path / "dive" / f"clip{suffix.upper()}").touch()
    assert len(scan_folders(tmp_path)) == len(SUFFIXES)
