"""The frames that a store holds and shows, against clips decoded one by one."""

import numpy as np
import pytest
import torch

from clnorm.data.datasets import hmdb51
from clnorm.data.store import decode
from clnorm.data.store.decode import read_clip, sample_indices
from clnorm.data.store.store import ClipStore
from clnorm.data.table import ClipTable
from clnorm.errors import ClnormError


def test_gather_equals_clips_decoded_one_by_one(table):
    store = ClipStore.open(table, frames=4, size=8)
    expected = torch.stack([read_clip(path, frames=4, size=8).frames for path in table.paths()])
    assert (len(store), store.frames, store.size, store.nbytes) == (5, 4, 8, (4 + 4 + 4 + 4 + 1) * 3 * 8 * 8)
    for ids in ([0, 1, 2, 3, 4], [3, 0, 3], [2], []):
        for form in (ids, np.array(ids, dtype=np.int64), torch.tensor(ids, dtype=torch.int64)):
            batch = store.gather(form)
            assert batch.dtype == torch.uint8
            assert torch.equal(batch, expected[ids])
    assert expected.float().std(dim=0).min() > 0


def test_what_is_known_of_each_clip(table):
    store = ClipStore.open(table, frames=4, size=8)
    assert store.info["decoded"].tolist() == [12, 5, 30, 8, 1]
    assert store.info["header"].tolist() == [12, 5, 30, 8, 1]
    assert store.bad == {}
    assert store.kept.tolist() == [4, 4, 4, 4, 1]
    assert "5 x 4 x 3 x 8 x 8 uint8 of 17 frames" in repr(store)


@pytest.mark.parametrize(("keep", "kept"), [("2T", [8, 5, 8, 8, 1]), ("all", [12, 5, 30, 8, 1])])
def test_more_frames_than_are_shown(table, keep, kept):
    """The middle frames of the kept ones, and with draws those at the edges of their segments."""
    store = ClipStore.open(table, frames=4, size=8, keep=keep)
    assert store.kept.tolist() == kept
    whole = [read_clip(path, frames=None, size=8).frames for path in table.paths()]
    for ids in ([0, 1, 2, 3, 4], [4, 2, 2]):
        for draw, pick in ((None, "middle"), (0.0, "first"), (0.999, "last")):
            draws = None if draw is None else np.full((len(ids), 4), draw, dtype=np.float32)
            shown = store.gather(ids, draws=draws)
            for clip, frames in zip(ids, shown, strict=True):
                held = whole[clip][sample_indices(len(whole[clip]), frames=kept[clip])]
                assert torch.equal(frames, held[pick_frames(kept[clip], pick)])


def pick_frames(kept: int, pick: str) -> list[int]:
    if pick == "middle" or kept < 4:
        return sample_indices(kept, frames=4)
    return [i * kept // 4 if pick == "first" else (i + 1) * kept // 4 - 1 for i in range(4)]


def test_a_long_clip_is_decoded_in_pieces(tmp_path, write_video, monkeypatch):
    path = write_video(tmp_path / "long.avi", [(7 * k) % 256 for k in range(50)])
    whole = read_clip(path, frames=None, size=8).frames
    monkeypatch.setattr(decode, "_AT_ONCE", 16)
    assert whole.shape == (50, 3, 8, 8)
    assert torch.equal(read_clip(path, frames=None, size=8).frames, whole)


def test_a_batch_is_the_callers_own(table):
    store = ClipStore.open(table, frames=4, size=8)
    before = store.gather([0])
    store.gather([0]).zero_()
    assert torch.equal(store.gather([0]), before)


@pytest.mark.parametrize("ids", [[5], [-1], [0, 7]])
def test_an_id_out_of_range(table, ids):
    with pytest.raises(ClnormError, match="legal: 0 to 4"):
        ClipStore.open(table, frames=4, size=8).gather(ids)


def test_real_clips(shared_data):
    """The first clip of each of 21 classes, whose headers all claim frames that are not there."""
    whole = hmdb51.read(shared_data / "data" / "hmdb21")
    frame = whole.frame.groupby("label").head(1).reset_index(drop=True)
    store = ClipStore.open(ClipTable("part", whole.root, whole.classes, frame), frames=16, size=32)
    assert store.gather(range(21)).shape == (21, 16, 3, 32, 32)
    assert (store.info["decoded"] < store.info["header"]).all()
    assert store.bad == {}
