"""A split list is never replaced, mixed or dropped without a word, whatever the sources and the dataset hold."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from clnorm.cli.main import main

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
    assert "more than once, with different content; give one of them only" in message
    assert not (tmp_path / "out").exists()
    text = run(tmp_path / "out", "--from", str(source / "videos"), "--from", str(write_lists(others, test="a")))
    assert "6 clips of 2 classes, 4 for training, 2 for testing" in text


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lists_that_say_the_same_are_one(tmp_path, source, run, end):
    others = write_lists(tmp_path / "others")
    for path in others.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + end.join(reversed(path.read_bytes().splitlines())) + end * 2)
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
    assert f"or remove {out / 'videos'} and the lists in {out / folder} first" in message
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


def test_ready_says_what_check_says_of_lists_that_are_not_published(tmp_path, source, run, capsys):
    text = run(tmp_path / "out", "--from", str(source))
    assert main(["data", "check", "hmdb51", str(tmp_path / "out"), "--json"]) == 1  # no clip is a video
    said = json.loads(capsys.readouterr().out)
    assert said["notes"][-1] == "not the published lists: 2 classes are smaller (dive 3 of 127, jump 3 of 151)"
    assert "unused.\n" + "".join(f"note: {note}\n" for note in said["notes"]) + "next: " in text


def test_ready_names_splits_without_a_list(tmp_path, source, run):
    (source / "lists" / "jump_test_split3.txt").unlink()
    assert "wrong: jump: no list of split 3 names this class\n" in run(tmp_path / "out", "--from", str(source))


def test_clips_that_their_lists_do_not_name_are_refused_before_one_is_written(tmp_path, source, run):
    lists = tmp_path / "lists"
    shutil.copytree(source / "lists", lists)
    for label in ("dive", "jump"):
        for path in lists.glob(f"{label}*"):
            path.write_text(path.read_text().replace(f"a_{label}", f"z_{label}"))
    (source / "videos" / "kick").mkdir()
    (source / "videos" / "kick" / f"a_kick_{TAGS}").write_bytes(b"a")
    for split in (1, 2, 3):
        (lists / f"kick_test_split{split}.txt").write_text(f"a_kick_{TAGS} 1\n")
    message = run(tmp_path / "out", "--from", str(source / "videos"), "--from", str(lists), code=2)
    assert message.startswith(
        f"error: {source / 'videos'}: the clips and the lists do not fit in 2 classes of 3: dive: "
    )
    for label in LABELS:
        assert f"{label}: 1 clip in the lists but not in the sources (such as 'z_{label}_{TAGS}'), " in message
        assert f"1 clip in the sources but not in the lists (such as 'a_{label}_{TAGS}')" in message
    assert "give the lists that belong to these clips" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["archive", "folder", "empty folder"])
def test_a_source_of_which_nothing_can_be_taken_is_refused(tmp_path, source, run, kind):
    junk = tmp_path / "junk"
    junk.mkdir()
    words, said = ["--from", str(junk)], ": 1,200 files ('x/0.txt', 'x/1.txt', 'x/10.txt', ...)"
    if kind == "archive":
        junk = junk / "junk.zip"
        with zipfile.ZipFile(junk, "w") as archive:
            for name in sorted(f"x/{k}.txt" for k in range(1200)):
                archive.writestr(name, b"")
        md5 = hashlib.md5(junk.read_bytes(), usedforsecurity=False).hexdigest()
        words = ["--from", str(junk), "--accept", md5]
    elif kind == "folder":
        (junk / "notes.txt").touch()
        said = ": 1 file ('notes.txt')"
    else:
        said = ""
    message = run(tmp_path / "out", "--from", str(source), *words, code=2)
    assert f"error: {junk}: there is no clip, no list and no archive in it{said}; leave it out" in message
    assert ("reading junk.zip: 1 archive\n" in message) == (kind == "archive")
    assert not (tmp_path / "out").exists()


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
