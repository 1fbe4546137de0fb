"""Files that change after they were decoded: never silently stale, and nothing decoded that is the same."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from clnorm.data.store import build
from clnorm.data.store.build import BadClipsError
from clnorm.data.store.decode import read_clip
from clnorm.data.store.store import ClipStore
from clnorm.data.table import ClipTable

NAMES = ["a.avi", "b.avi", "c.avi"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path, write_video) -> Path:
    """Three clips of 6, 7 and 8 frames in files of one size."""
    for k, name in enumerate(NAMES):
        pad(write_video(tmp_path / "clips" / name, [60 + 20 * k] * (6 + k)))
    return tmp_path / "clips"


def pad(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0" * (10_000 - path.stat().st_size))


def read_table(root: Path) -> ClipTable:
    rows = [
        {"path": name, "label": 0, "split": "train", "group": name, "bytes": (root / name).stat().st_size}
        for name in NAMES
    ]
    return ClipTable("three", root, ("one",), pd.DataFrame(rows))


@pytest.fixture
def open_store(monkeypatch):
    """Opens the store of a folder; gives it with the names of the clips that were decoded, and what was noted."""

    def open_(root: Path, **options) -> tuple[ClipStore, list[str], list[str]]:
        decoded, notes = [], []
        with monkeypatch.context() as patch:
            patch.setattr(
                build, "read_clip", lambda path, **rest: (decoded.append(path.name), read_clip(path, **rest))[1]
            )
            store = ClipStore.open(read_table(root), frames=4, size=8, note=notes.append, workers=1, **options)
        return store, decoded, notes

    return open_


def is_current(store: ClipStore, root: Path) -> bool:
    expected = [read_clip(root / name, frames=4, size=8).frames for name in NAMES]
    return torch.equal(store.gather(range(3)), torch.stack(expected))


@pytest.mark.parametrize("cached", ["store", "none"])
def test_a_file_replaced_by_another_of_its_size_is_decoded_anew(root, open_store, write_video, cached):
    first, decoded, notes = open_store(root, cache=cached)
    assert (decoded, notes) == (NAMES, [])
    pad(write_video(root / "b.avi", [250] * 9))
    second, decoded, notes = open_store(root, cache=cached)
    assert decoded == ["b.avi"]
    assert notes == ["1 clips have other files than when they were decoded, b.avi first: decoded anew."]
    assert second.folder == first.folder
    assert second.info["decoded"].tolist() == [6, 9, 8]
    assert is_current(second, root)
    assert second.content != first.content
    assert open_store(root, cache=cached)[1:] == ([], [])


def test_a_store_that_is_open_keeps_its_pixels_while_another_is_made(root, open_store, write_video):
    first = open_store(root)[0]
    before = first.gather(range(3))
    pad(write_video(root / "b.avi", [250] * 9))
    open_store(root)
    assert torch.equal(first.gather(range(3)), before)


def test_a_file_that_was_only_touched_or_copied_is_not(root, tmp_path, open_store):
    first = open_store(root)[0]
    os.utime(root / "a.avi", ns=(1, 1))
    copied = Path(shutil.copytree(root, tmp_path / "copied", copy_function=shutil.copyfile))
    for folder in (root, copied, copied):
        store, decoded, notes = open_store(folder)
        assert (decoded, notes) == ([], [])
        assert store.info["mtime_ns"].tolist() == [(folder / name).stat().st_mtime_ns for name in NAMES]
        assert store.content == first.content
    assert is_current(store, root)


def test_a_bad_clip_that_was_mended_is_decoded(root, open_store, write_video):
    (root / "c.avi").write_bytes(b"no video" * 1250)
    with pytest.raises(BadClipsError):
        open_store(root)
    assert sorted(open_store(root, skip_bad=True)[0].bad) == [2]
    pad(write_video(root / "c.avi", [1] * 20))
    store, decoded, _ = open_store(root)
    assert (decoded, store.bad) == (["c.avi"], {})
    assert is_current(store, root)


def test_a_clip_that_went_bad_is_an_error_every_time(root, open_store):
    open_store(root)
    (root / "c.avi").write_bytes(b"no video" * 1250)
    for _ in range(2):
        with pytest.raises(BadClipsError, match=r"1 of 3 clips cannot be decoded \(c.avi: no frame of video"):
            open_store(root)


def test_a_clip_that_changed_between_a_kill_and_the_next_attempt(root, open_store, write_video):
    def stop(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_store(root, progress=stop)
    pad(write_video(root / "b.avi", [250] * 9))
    store, decoded, _ = open_store(root)
    assert decoded == ["b.avi", "c.avi"]
    assert is_current(store, root)
