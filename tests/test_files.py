"""Files are whole or not there; the cache folder is where it should be, and an unusable one is named."""

from pathlib import Path

import pytest

from clnorm.errors import ClnormError, UserError
from clnorm.files import cache_dir, new_file, replace_file


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "record.json"
    replace_file(path, lambda file: file.write(b"old"))

    def full(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(ClnormError, match=r"record\.json: cannot be written \(No space left on device\)"):
        replace_file(path, full)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_what_a_killed_process_left_is_cleared(tmp_path):
    (tmp_path / ".record.json.partial").write_bytes(b"half")
    replace_file(tmp_path / "record.json", lambda file: file.write(b"new"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_a_new_file_overwrites_nothing(tmp_path):
    (tmp_path / "clip.avi").write_bytes(b"there")
    with pytest.raises(FileExistsError), new_file(tmp_path / "clip.avi"):
        pass
    assert (tmp_path / "clip.avi").read_bytes() == b"there"


def test_own_variable_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "own" / "deep"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "own" / "deep"
    assert cache_dir().is_dir()
    assert not (tmp_path / "xdg").exists()


def test_then_the_desktop_standard_then_home(tmp_path, monkeypatch):
    monkeypatch.setenv("CLNORM_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "clnorm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == tmp_path / "home" / ".cache" / "clnorm"


def test_a_relative_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLNORM_CACHE", "here")
    assert cache_dir() == tmp_path / "here"


def test_a_folder_that_cannot_be_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"file/cache: Not a directory; set CLNORM_CACHE"):
        cache_dir()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path))
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UserError, match="no permission to write; set CLNORM_CACHE"):
        cache_dir()


def test_a_device_or_folder_is_never_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (Path("/dev/full"), Path("/dev/null"), tmp_path / "folder", Path()):
        with pytest.raises(UserError, match="is no regular file, and is not replaced"):
            replace_file(path, lambda file: file.write(b"x"))
    assert Path("/dev/full").is_char_device()


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there/file", tmp_path / "link"
    link.symlink_to(target)
    for content in (b"first", b"second"):
        replace_file(link, lambda file, content=content: file.write(content))
        assert link.is_symlink()
        assert target.read_bytes() == content
