"""Files are whole or not there."""

import pytest

from clnorm.errors import ClnormError
from clnorm.files import new_file, replace_file


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
