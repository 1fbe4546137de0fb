"""`prepare` given again: what sources have of finished classes, and their folders have not, is never passed over."""

import hashlib
import shutil
from pathlib import Path

import pytest

from clnorm.cli.main import main
from clnorm.data.prepare.again import find_surplus

TAGS = "f_cm_np1_le_bad_0.avi"


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder of two class folders and their lists."""
    folder = tmp_path / "source"
    for label in ("dive", "jump"):
        add_clips(folder, label, "a#", "b", "c")
    return folder


def add_clips(folder: Path, label: str, *names: str, listed: bool = True) -> None:
    (folder / label).mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / label / f"{name}_{label}_{TAGS}").write_bytes(name.encode())
        for split in (1, 2, 3) if listed else ():
            with (folder / f"{label}_test_split{split}.txt").open("a") as file:
                file.write(f"{name}_{label}_{TAGS} {2 if name == 'c' else 1}\n")


def prepare(capsys, root: Path, *sources: Path, code: int = 0) -> str:
    given = [word for source in sources for word in ("--from", str(source))]
    assert main(["data", "prepare", "hmdb51", str(root), *given]) == code
    printed = capsys.readouterr()
    return " ".join((printed.out + printed.err).split())


def state(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_new_is_nothing_to_tell(tmp_path, source, capsys):
    prepare(capsys, tmp_path / "out", source)
    before = state(tmp_path / "out")
    text = prepare(capsys, tmp_path / "out", source)
    assert text.endswith("2 of 2 classes are there already and are left as they are.")
    assert state(tmp_path / "out") == before


def test_clips_that_a_finished_class_lacks_are_named_and_the_dataset_stays_as_it_was(tmp_path, source, capsys):
    add_clips(source, "dive", "d")
    add_clips(source, "jump", "d", "e")
    prepare(capsys, tmp_path / "out", source)
    for clip in ("dive/d_dive", "jump/d_jump", "jump/e_jump"):
        (tmp_path / "out" / "videos" / f"{clip}_{TAGS}").unlink()
    before = state(tmp_path / "out")
    add_clips(source, "kick", "a", "c")
    message = prepare(capsys, tmp_path / "out", source, code=2)
    videos = tmp_path / "out" / "videos"
    assert f"the class 'dive' was finished without 1 clip ('d_dive_{TAGS}'); the class 'jump'" in message
    assert f"2 clips ('d_jump_{TAGS}', 'e_jump_{TAGS}'), which the sources have" in message
    assert f"remove {videos / 'dive'}, {videos / 'jump'}, and give the same command again" in message
    assert state(tmp_path / "out") == before


def test_what_the_message_says_helps(tmp_path, source, capsys):
    add_clips(source, "dive", "d")
    prepare(capsys, tmp_path / "out", source)
    (tmp_path / "out" / "videos" / "dive" / f"d_dive_{TAGS}").unlink()
    prepare(capsys, tmp_path / "out", source, code=2)
    shutil.rmtree(tmp_path / "out" / "videos" / "dive")
    assert "7 clips of 2 classes" in prepare(capsys, tmp_path / "out", source)


def test_clips_that_no_list_names_are_named_and_left_out(tmp_path, source, capsys):
    prepare(capsys, tmp_path / "out", source)
    add_clips(source, "dive", "d", listed=False)
    before = state(tmp_path / "out")
    text = prepare(capsys, tmp_path / "out", source)
    assert f"no list names 1 clip ('dive/d_dive_{TAGS}') of the sources: left out" in text
    assert state(tmp_path / "out") == before


def test_an_archive_in_an_archive_is_read_again_only_where_a_listed_clip_is_missing(tmp_path, source, make_rar, capsys):
    clips = {f"dive/{path.name}": path.read_bytes() for path in (source / "dive").iterdir()}
    lists = {path.name: path.read_bytes() for path in source.glob("dive*.txt")}
    archive = tmp_path / "a.rar"
    archive.write_bytes(make_rar({"dive.rar": make_rar(clips), **lists}))
    accept = ("--accept", hashlib.md5(archive.read_bytes()).hexdigest())
    words = ["data", "prepare", "hmdb51", str(tmp_path / "out"), "--from", str(archive), *accept]
    assert main(words) == 0
    assert main([*words, "--limit", "entries=6"]) == 0  # the headers of the outer archive
    gone = tmp_path / "out" / "videos" / "dive" / f"b_dive_{TAGS}"
    gone.unlink()
    capsys.readouterr()
    assert main(words) == 2
    assert f"the class 'dive' was finished without 1 clip ('{gone.name}')" in capsys.readouterr().err
    assert not list((tmp_path / "out" / "videos").glob(".*"))


@pytest.mark.parametrize(
    ("here", "given", "listed", "unlisted"),
    [
        (["a.avi"], ["a.avi"], [], []),
        (["a.avi"], [], [], []),
        ([], ["a.avi"], ["a.avi"], []),
        (["a.avi"], ["a.avi", "x.avi"], [], ["x.avi"]),
        (["a.avi", "x.avi"], ["a.avi", "x.avi"], [], []),
        (["p@.avi"], ["p#.avi"], [], []),
        (["p#.avi"], ["p@.avi"], [], []),
        (["a.avi"], ["p@.avi"], ["p@.avi"], []),
        (["a.avi", ".p#.avi"], ["p#.avi"], ["p#.avi"], []),
        (["A.avi"], ["a.avi"], ["a.avi"], []),
        (["a.avi"], ["a.avi", "\u00e9.avi", "e\u0301.avi"], [], ["e\u0301.avi", "\u00e9.avi"]),
    ],
)
def test_names_are_compared_as_mirrors_write_them(tmp_path, here, given, listed, unlisted):
    for name in here:
        (tmp_path / name).touch()
    surplus = find_surplus(tmp_path, given, ["a.avi", "p#.avi"])
    assert (surplus.listed, surplus.unlisted) == (listed, unlisted)
