"""When clips are decoded: once for the same clips and shape, and only where there is room."""

import errno
import resource
from dataclasses import replace

import pytest
import torch

from clnorm.data.datasets import hmdb51
from clnorm.data.store import build
from clnorm.data.store.decode import read_clip
from clnorm.data.store.store import ClipStore
from clnorm.errors import ClnormError


def test_it_is_decoded_once(table, stored, monkeypatch):
    calls: list[tuple[int, int]] = []
    first = ClipStore.open(table, frames=4, size=8, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    monkeypatch.setattr(build, "read_clip", None)
    again = ClipStore.open(table, frames=4, size=8, progress=lambda done, total: calls.append((done, total)))
    assert len(calls) == 5
    assert torch.equal(first.gather([0, 4]), again.gather([0, 4]))
    assert stored() == [first.folder]


def test_it_follows_the_clips_not_their_folder_or_name(table, root, stored):
    first = ClipStore.open(table, frames=4, size=8)
    root.rename(root.with_name("moved"))
    moved = replace(hmdb51.read(root.with_name("moved")), name="other")
    assert ClipStore.open(moved, frames=4, size=8).folder == first.folder
    assert len(stored()) == 1


def test_another_shape_or_table_is_another_store(table, root, write_video, stored, clip_name):
    folders = {ClipStore.open(table, frames=frames, size=size).folder for frames, size in [(4, 8), (5, 8), (4, 9)]}
    write_video(root / "videos" / "dive" / clip_name("a", "dive"), [0] * 90)
    folders.add(ClipStore.open(hmdb51.read(root), frames=4, size=8).folder)
    assert set(stored()) == folders
    assert len(folders) == 4


def test_all_frames_serve_every_number_of_frames_shown(table, stored):
    folders = {ClipStore.open(table, frames=frames, size=8, keep="all").folder for frames in (2, 4)}
    folders.add(ClipStore.open(table, frames=2, size=8, keep="2T").folder)
    assert ClipStore.open(table, frames=4, size=8).folder in folders
    assert len(stored()) == 2


def test_more_clips_than_are_read_ahead(table, monkeypatch):
    monkeypatch.setattr(build, "_AHEAD", 1)
    monkeypatch.setattr(build, "TRIM_EVERY", 2)
    batch = ClipStore.open(table, frames=4, size=8, workers=3).gather(range(5))
    assert torch.equal(batch, torch.stack([read_clip(path, frames=4, size=8).frames for path in table.paths()]))


def test_too_little_room_is_seen_beforehand(table, stored, monkeypatch):
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(
        ClnormError, match=r"they need 0.00 GB and 0.00 GB are free; free some room, or set CLNORM_CACHE"
    ):
        ClipStore.open(table, frames=4, size=8)
    assert stored() == []


def test_a_disk_that_fills_up_leaves_nothing(table, stored, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ClnormError, match="cannot write the decoded clips: No space left on device"):
        ClipStore.open(table, frames=4, size=8)
    assert stored() == []


def test_a_disk_without_room_is_an_error_while_writing(table, stored):
    """The process may write no file beyond 2,000 bytes, of 3,264."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(ClnormError, match="cannot write the decoded clips: File too large; free some room"):
            ClipStore.open(table, frames=4, size=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert stored() == []
