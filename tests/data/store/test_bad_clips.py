"""Clips that cannot be decoded: all named, and skipped only where that was asked for."""

import pytest
import torch

from clnorm.data.store.build import BadClipsError
from clnorm.data.store.decode import read_clip
from clnorm.data.store.store import ClipStore
from clnorm.errors import ClnormError


def test_bad_clips_are_all_found_and_named(spoil, root, stored, clip_name):
    table = spoil("b", "d")
    calls: list[int] = []
    with pytest.raises(BadClipsError) as error:
        ClipStore.open(table, frames=4, size=8, progress=lambda done, _: calls.append(done))
    message = str(error.value)
    assert f"{root}: 2 of 5 clips cannot be decoded" in message
    assert f"videos/dive/{clip_name('b', 'dive')}: no frame of video can be found in it" in message
    assert f"videos/wave/{clip_name('d', 'wave')}: no frame of video" in message
    assert "--set data.skip_bad=true" in message
    assert len(calls) == 5
    assert stored() == []


def test_of_many_bad_clips_the_first_are_named(spoil):
    with pytest.raises(BadClipsError, match=r"4 of 5 .*/a_dive.*; .*/b_dive.*; .*/c_dive.*; and 1 more\)"):
        ClipStore.open(spoil("a", "b", "c", "d"), frames=4, size=8)


def test_bad_clips_can_be_skipped_and_stay_known(spoil):
    table = spoil("b", "d")
    for _ in range(2):  # built, then loaded
        store = ClipStore.open(table, frames=4, size=8, skip_bad=True)
        assert sorted(store.bad) == [1, 3]
        assert store.bad[1].startswith("no frame of video can be found in it")
        assert store.info["decoded"].tolist() == [12, 0, 30, 0, 1]
        assert store.info["header"].isna().tolist() == [False, True, False, True, False]
        assert torch.equal(store.gather([2])[0], read_clip(table.paths()[2], frames=4, size=8).frames)
        with pytest.raises(ClnormError, match="clip 3 is a bad one and has no pixels: no frame"):
            store.gather([0, 3])


def test_a_store_with_skipped_clips_is_no_store_without(spoil):
    table = spoil("b")
    store = ClipStore.open(table, frames=4, size=8, skip_bad=True)
    with pytest.raises(BadClipsError, match=f"skip_bad=true, or mend them and delete {store.folder}"):
        ClipStore.open(table, frames=4, size=8)


def test_not_every_clip_can_be_skipped(spoil, stored):
    with pytest.raises(BadClipsError, match="5 of 5 clips cannot be decoded"):
        ClipStore.open(spoil(*"abcde"), frames=4, size=8, skip_bad=True)
    assert stored() == []


def test_a_clip_that_went_missing_is_a_bad_one(table):
    table.paths()[4].unlink()
    assert ClipStore.open(table, frames=4, size=8, skip_bad=True).bad == {4: "No such file or directory"}


def test_a_clip_that_changed_after_it_was_listed_is_a_bad_one(table, write_video):
    path = table.paths()[1]
    before = path.stat().st_size
    after = write_video(path, [0] * 40).stat().st_size
    with pytest.raises(
        BadClipsError, match=f"b_dive.*: it has changed since it was listed, from {before} to {after} bytes"
    ):
        ClipStore.open(table, frames=4, size=8)
