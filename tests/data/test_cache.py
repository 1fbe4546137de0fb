"""The cache folder: where it is, and that an unusable one is named."""

import pytest

from clnorm.data.cache import cache_dir
from clnorm.errors import UserError


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
