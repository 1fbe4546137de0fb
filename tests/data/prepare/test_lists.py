"""A split list is never replaced, mixed or dropped without a word, whatever the sources and the dataset hold."""

import shutil
from pathlib import Path

import pytest

TAGS = "f_cm_np1_le_bad_0.avi"
LABELS = ("dive", "jump")


def lines(label: str, *, test: str = "c") -> str:
    return "".join(f"{name}_{label}_{TAGS} {2 if name == test else 1} \n" for name in "abc")


def write_lists(folder: Path, *, labels: tuple[str, ...] = LABELS, test: str = "c") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for label in labels:
        for split in (1, 2, 3):
            (folder / f"{label}_test_split{split}.txt").write_text(lines(label, test=test))
    return folder


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder of two class folders in `videos`, and their lists in `lists`."""
    for label in LABELS:
        (tmp_path / "source" / "videos" / label).mkdir(parents=True)
        for name in "abc":
            (tmp_path / "source" / "videos" / label / f"{name}_{label}_{TAGS}").write_bytes(name.encode())
    write_lists(tmp_path / "source" / "lists")
    return tmp_path / "source"


def state(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("order", [1, -1])
def test_sources_with_different_lists_of_one_name_are_refused(tmp_path, source, run, order):
    others = write_lists(tmp_path / "others", labels=("jump", "kick"), test="a")
    first, second = [source, others][::order]
    message = run(tmp_path / "out", "--from", str(first), "--from", str(second), code=2)
    name = "jump_test_split1.txt"
    files = {source: f"{source}: lists/{name}", others: f"{others}: {name}"}
    assert message.startswith(f"error: {files[first]}, {files[second]}: the sources give 3 lists ('{name}',")
    assert "twice, with different content; give one of them only" in message
    assert not (tmp_path / "out").exists()
    text = run(tmp_path / "out", "--from", str(source / "videos"), "--from", str(write_lists(others, test="a")))
    assert "6 clips of 2 classes, 4 for training, 2 for testing" in text


def test_lists_that_say_the_same_are_one(tmp_path, source, run):
    others = write_lists(tmp_path / "others")
    for path in others.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(reversed(path.read_bytes().splitlines())) + b"\r\n\r\n")
    run(tmp_path / "out", "--from", str(source), "--from", str(others))
    before = state(tmp_path / "out")
    assert before["splits/dive_test_split1.txt"].decode() == lines("dive")
    run(tmp_path / "out", "--from", str(others))
    assert state(tmp_path / "out") == before


@pytest.mark.parametrize("folder", ["", "splits", "testTrainMulti_7030_splits"])
def test_the_lists_of_a_dataset_are_never_replaced(tmp_path, source, run, folder):
    out = tmp_path / "out"
    shutil.copytree(source / "videos", out / "videos")
    write_lists(out / folder)
    before = state(out)
    others = write_lists(tmp_path / "others", test="b")
    message = run(out, "--from", str(others), code=2)
    name = "dive_test_split1.txt"
    assert message.startswith(f"error: {out / folder / name}, {others}: {name}: the dataset has 6 lists ('{name}',")
    assert "with other content than the sources give; to keep its split, leave out the sources' lists" in message
    assert f"or remove {out / 'videos'} and {out / folder} first" in message
    assert state(out) == before


@pytest.mark.parametrize("folder", ["", "testTrainMulti_7030_splits"])
def test_lists_of_new_classes_go_to_where_the_others_are(tmp_path, source, run, folder):
    out = tmp_path / "out"
    shutil.copytree(source / "videos" / "dive", out / "videos" / "dive")
    write_lists(out / folder, labels=("dive",))
    text = run(out, "--from", str(source))
    assert "6 clips of 2 classes" in text
    assert (out / folder / "jump_test_split3.txt").read_text() == lines("jump")
    assert not (out / "splits").exists()


def test_the_lists_of_ucf101_are_never_replaced(tmp_path, run):
    clips = tmp_path / "clips" / "Archery"
    clips.mkdir(parents=True)
    for group in (1, 2):
        (clips / f"v_Archery_g0{group}_c01.avi").write_bytes(b"x")
    texts = {"classInd.txt": "1 Archery\n"}
    texts |= {f"{role}list01.txt": f"Archery/v_Archery_g0{k}_c01.avi 1\n" for k, role in ((1, "train"), (2, "test"))}
    for name, text in texts.items():
        (tmp_path / "clips" / name).write_text(text)
    run(tmp_path / "out", "--from", str(tmp_path / "clips"), dataset="ucf101")
    before = state(tmp_path / "out")
    (tmp_path / "clips" / "classInd.txt").write_text("2 Archery\n")
    message = run(tmp_path / "out", "--from", str(tmp_path / "clips"), dataset="ucf101", code=2)
    assert "the dataset has 1 list ('classInd.txt') with other content than the sources give" in message
    assert state(tmp_path / "out") == before
