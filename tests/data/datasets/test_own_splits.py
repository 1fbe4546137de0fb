"""Copies of HMDB51 and UCF101 with a split of their own are refused by all that would read them as official."""

from pathlib import Path

import pytest

from clnorm.catalogue import DATASETS
from clnorm.cli.main import main
from clnorm.data.check.check import check_dataset
from clnorm.data.datasets.layout import refuse_own_splits
from clnorm.data.datasets.published import HMDB51
from clnorm.errors import UserError

TAGS = "f_cm_np1_le_bad"
PARTS = ("train", "validation", "test")
REFUSED = "has a split of its own (folders test, train, validation): results on it cannot be compared with those on the"


@pytest.fixture
def mirror(tmp_path) -> Path:
    """Folders train, validation and test of .mp4 files, with a table each, as hubs of datasets want them."""
    for part in PARTS:
        folder = tmp_path / "mirror" / part
        folder.mkdir(parents=True)
        (folder / "metadata.csv").write_text("file_name,label\n" + "".join(f"{part}{k}.mp4,{k}\n" for k in range(3)))
        for number in range(3):
            (folder / f"{part}{number}.mp4").write_bytes(b"x")
    return tmp_path / "mirror"


def write_lists(folder: Path, clips: dict[str, list[str]]) -> Path:
    folder.mkdir()
    for label, names in clips.items():
        text = "".join(f"{name} {1 + place % 2}\n" for place, name in enumerate(names))
        for split in (1, 2, 3):
            (folder / f"{label}_test_split{split}.txt").write_text(text)
    return folder


@pytest.mark.parametrize("dataset", ["hmdb51", "ucf101"])
@pytest.mark.parametrize("below", ["", "videos", "data"])
def test_check_and_runs(mirror, tmp_path, dataset, below, capsys):
    if below:
        (tmp_path / "root").mkdir()
        mirror = mirror.rename(tmp_path / "root" / below).parent
    problem = next(text for text in check_dataset(DATASETS.parse(dataset), mirror).problems if "split of its" in text)
    assert f"{mirror / below}: this copy of {dataset} {REFUSED}" in problem
    assert "clips of one source may be on both sides" in problem
    assert f"clnorm data prepare {dataset}" in problem
    assert "--dataset folder" in problem
    assert main(["data", "check", dataset, str(mirror)]) == 1
    capsys.readouterr()
    if below == "data":  # a run misses the official lists first
        return
    assert main(["run", "--dataset", dataset, "--data-root", str(mirror), "--set", f"out={tmp_path / 'runs'}"]) == 2
    assert REFUSED in capsys.readouterr().err


@pytest.mark.parametrize("dataset", ["hmdb51", "ucf101"])
def test_prepare(mirror, tmp_path, dataset, capsys):
    for words in ([str(mirror)], [str(tmp_path / "out"), "--from", str(mirror)]):
        assert main(["data", "prepare", dataset, *words]) == 2
        captured = capsys.readouterr()
        assert f"{mirror}: this copy of {dataset} {REFUSED}" in captured.err
        assert captured.out == ""
    assert not (tmp_path / "out").exists()
    assert {path.name for path in mirror.iterdir()} == set(PARTS)


def test_lists_beside_it_change_nothing(mirror, tmp_path, capsys):
    """The clips' names do not tell their class, so that nothing could put them into the official splits."""
    lists = write_lists(tmp_path / "lists", {"dive": [f"s{k}_dive_{TAGS}_0.avi" for k in range(4)]})
    words = [str(tmp_path / "out"), "--from", str(mirror), "--from", str(lists)]
    assert main(["data", "prepare", "hmdb51", *words]) == 2
    assert REFUSED in capsys.readouterr().err


def test_folders_a_class_below_its_parts_are_prepared_with_the_official_lists(tmp_path, capsys):
    clips = {label: [f"s{k}_{label}_{TAGS}_0.avi" for k in range(4)] for label in ("dive", "wave")}
    lists = write_lists(tmp_path / "lists", clips)
    for label, names in clips.items():
        for part, name in zip(("train", "train", "validation", "test"), names, strict=True):
            (tmp_path / "mirror" / part / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "mirror" / part / label / name.replace(".avi", ".mp4")).write_bytes(b"x")
    assert main(["data", "check", "hmdb51", str(tmp_path / "mirror")]) == 1
    assert REFUSED in capsys.readouterr().out
    words = [str(tmp_path / "out"), "--from", str(tmp_path / "mirror"), "--from", str(lists)]
    assert main(["data", "prepare", "hmdb51", *words]) == 0
    assert "8 clips of 2 classes, 4 for training, 4 for testing" in capsys.readouterr().out
    assert check_dataset(DATASETS.parse("hmdb51"), tmp_path / "out").substituted == {".mp4 for .avi": 8}


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (["train", "test"], "test, train"),
        (["Train", "VAL"], "Train, VAL"),
        (["validation"], "validation"),
        (["training", "testing"], "testing, training"),
        (["dev", "eval"], "dev, eval"),
    ],
)
def test_names_of_parts(folders, named):
    with pytest.raises(UserError) as error:
        refuse_own_splits(folders, dataset="hmdb51", where="here")
    assert f"(folders {named})" in str(error.value)


def test_no_class_has_such_a_name():
    """Nor has one that begins so, or a folder of lists. One folder of such a name among classes is not yet a split."""
    refuse_own_splits([*HMDB51.clips, "train_station", "tests", "Testing2", "splits", "dev"], dataset="x", where="")
    refuse_own_splits([], dataset="x", where="")


def test_as_a_dataset_of_ones_own(mirror, capsys):
    """Its split is taken where clips.csv gives it; parts for validation are no folder that is read."""
    assert main(["data", "check", "folder", str(mirror)]) == 1
    assert (
        "list the clips in clips.csv if train or test is a class, or, as unused, clips for" in capsys.readouterr().out
    )
    uses = {"train": "train", "validation": "unused", "test": "test"}
    rows = [f"{part}/{part}{k}.mp4,c{k},{uses[part]}\n" for part in PARTS for k in range(3)]
    (mirror / "clips.csv").write_text("path,label,split\n" + "".join(rows))
    survey = check_dataset(DATASETS.parse("folder"), mirror)
    assert survey.problems == []
    assert (survey.total("train"), survey.total("test"), survey.total("unused")) == (3, 3, 3)
