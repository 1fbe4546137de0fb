"""What a failed `prepare` leaves: the folder as it was, but for finished classes. One process at a time prepares."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from clnorm.cli.main import main
from clnorm.data.prepare import official as preparing
from clnorm.data.prepare import place
from clnorm.data.prepare.place import hold_root

CLIPS = [f"{number}_dive_f_cm_np1_le_bad_0.avi" for number in range(3)]


@pytest.fixture
def source(tmp_path) -> Path:
    """A folder of two class folders and their lists."""
    folder = tmp_path / "source"
    for label in ("dive", "jump"):
        clips = [clip.replace("dive", label) for clip in CLIPS]
        (folder / label).mkdir(parents=True)
        for clip in clips:
            (folder / label / clip).write_bytes(b"x")
        for split in (1, 2, 3):
            lines = "".join(f"{clip} {1 + (number == 2)}\n" for number, clip in enumerate(clips))
            (folder / f"{label}_test_split{split}.txt").write_text(lines)
    return folder


def prepare(root: Path, source: Path) -> int:
    return main(["data", "prepare", "hmdb51", str(root), "--from", str(source)])


def state(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def break_source(source: Path) -> None:
    """Another clip of the same name, which is found when its class is extracted, after the lists are written."""
    (source / "more" / "dive").mkdir(parents=True)
    (source / "more" / "dive" / CLIPS[0]).write_bytes(b"another")


def fail(root: Path, *steps: Callable[[], object]) -> None:
    """Fail after these steps, while the folder is held."""
    with hold_root(root):
        for step in steps:
            step()
        raise RuntimeError("the first")


def interrupt_at(monkeypatch, label: str, error: type[BaseException] = KeyboardInterrupt) -> None:
    extract = preparing._extract_class

    def fail(folder: Path, *rest: object) -> object:
        if folder.name == label:
            raise error("interrupted")
        return extract(folder, *rest)

    monkeypatch.setattr(preparing, "_extract_class", fail)


def test_a_target_that_was_not_there_is_gone_with_its_parents(tmp_path, source):
    break_source(source)
    before = state(tmp_path)
    assert prepare(tmp_path / "a" / "b" / "out", source) == 2
    assert state(tmp_path) == before


@pytest.mark.parametrize("kept", [(), ("splits",), ("videos",), ("splits", "videos"), (".git",), ("notes",)])
def test_a_target_that_was_there_is_as_it_was(tmp_path, source, kept):
    break_source(source)
    for name in kept:
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "own.txt").touch()
    (tmp_path / "out").mkdir(exist_ok=True)
    assert prepare(tmp_path / "out", source) == 2
    assert sorted(state(tmp_path / "out")) == sorted([*kept, *(f"{name}/own.txt" for name in kept)])


def test_lists_that_were_there_are_as_they_were(tmp_path, source):
    break_source(source)
    own = tmp_path / "out" / "splits" / "jump_test_split1.txt"
    own.parent.mkdir(parents=True)
    own.write_text("own\n")
    assert prepare(tmp_path / "out", source) == 2
    assert state(tmp_path / "out") == {"splits": None, "splits/jump_test_split1.txt": b"own\n"}


def test_empty_folders_of_ones_own_stay(tmp_path, source):
    break_source(source)
    for name in ("videos", "splits", "archives"):
        (tmp_path / "out" / name).mkdir(parents=True)
    assert prepare(tmp_path / "out", source) == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"videos", "splits", "archives"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_finished_class_and_the_lists_stay(tmp_path, source, monkeypatch, error):
    with monkeypatch.context() as patched:
        interrupt_at(patched, "jump", error)
        assert prepare(tmp_path / "out", source) == (130 if error is KeyboardInterrupt else 1)
    left = state(tmp_path / "out")
    assert {path for path, content in left.items() if content is None} == {"videos", "videos/dive", "splits"}
    assert len(left) == 3 + 3 + 6
    assert prepare(tmp_path / "out", source) == 0
    jump = {f"videos/jump/{clip.replace('dive', 'jump')}" for clip in CLIPS}
    assert set(state(tmp_path / "out")) == {*left, "videos/jump", *jump}


def test_an_interruption_in_the_first_class_leaves_nothing(tmp_path, source, monkeypatch):
    interrupt_at(monkeypatch, "dive")
    before = state(tmp_path)
    assert prepare(tmp_path / "out", source) == 130
    assert state(tmp_path) == before


def test_what_was_finished_before_keeps_its_lists(tmp_path, source, monkeypatch):
    assert prepare(tmp_path / "out", source) == 0
    shutil.rmtree(tmp_path / "out" / "videos" / "jump")
    before = state(tmp_path / "out")
    interrupt_at(monkeypatch, "jump")
    assert prepare(tmp_path / "out", source) == 130
    assert state(tmp_path / "out") == before


def test_a_download_that_failed_stays_to_be_continued(tmp_path):
    archives = tmp_path / "out" / "archives"
    with pytest.raises(RuntimeError):
        fail(tmp_path / "out", archives.mkdir, (archives / "a.part").touch)
    assert set(state(tmp_path)) == {"out", "out/archives", "out/archives/a.part"}


def test_a_folder_that_vanishes_meanwhile_does_not_hide_the_error(tmp_path):
    with pytest.raises(RuntimeError, match="the first"):
        fail(tmp_path / "out", lambda: shutil.rmtree(tmp_path / "out"))


@pytest.mark.parametrize(
    ("taken", "reason"),
    [
        ("", "File exists"),
        ("videos", "File exists"),
        ("splits", "File exists"),
        ("videos/dive", "Not a directory"),
    ],
)
def test_a_file_where_a_folder_is_to_be_is_named(tmp_path, source, capsys, taken, reason):
    path = tmp_path / "out" / taken
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("own")
    before = state(tmp_path)
    assert prepare(tmp_path / "out", source) == 1
    assert f"{path}: cannot be written: {reason}; see what stands there" in capsys.readouterr().err
    assert state(tmp_path) == before


def test_a_pipe_is_not_waited_for(tmp_path, source, capsys):
    pipe = source / "dive" / "a.avi"
    os.mkfifo(pipe)
    for given in (source, pipe):
        assert prepare(tmp_path / "out", given) == 2
        assert f"{pipe}: this is no regular file; remove it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_device_is_not_read(tmp_path, source, capsys):
    (source / "dive" / "a.avi").symlink_to("/dev/zero")
    for given in (source, Path("/dev/zero")):
        assert prepare(tmp_path / "out", given) == 2
        assert "this is no regular file" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("keeps", [False, True])
def test_who_waited_holds_a_lock_that_has_its_name(tmp_path, monkeypatch, keeps):
    """Whether the folder that it waited for is gone meanwhile or not."""
    root, waiting, seen = tmp_path / "out", threading.Event(), []
    if keeps:
        root.mkdir()
    acquire = place.FileLock.acquire

    def announce(self, *rest, **options):
        waiting.set()
        return acquire(self, *rest, **options)

    def wait() -> None:
        with hold_root(root):
            seen.append((root / ".prepare.lock").exists())

    other = threading.Thread(target=wait)
    with pytest.raises(RuntimeError):
        fail(
            root,
            lambda: monkeypatch.setattr(place.FileLock, "acquire", announce),
            other.start,
            lambda: waiting.wait(30),
        )
    other.join(30)
    assert seen == [True]
    assert root.exists() or not keeps
    assert not list(tmp_path.rglob(".prepare.lock"))
