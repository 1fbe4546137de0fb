"""A video cut into parts: which frames each of them holds, and that one part is the clip of a store."""

import pandas as pd
import pytest
import torch

from clnorm.data.store.decode import read_parts
from clnorm.data.store.store import ClipStore
from clnorm.data.store.video import DecodeError
from clnorm.data.table import ClipTable
from clnorm.errors import UserError

LEVELS = [20 * k for k in range(12)]


def levels(part):
    """Which of LEVELS each frame has."""
    return [round(value / 20) for value in part.frames.float().mean(dim=(1, 2, 3)).tolist()]


def test_one_part_has_the_pixels_of_the_store(tmp_path, write_video):
    video = write_video(tmp_path / "grey.avi", LEVELS)
    row = {"path": video.name, "label": 0, "split": "train", "group": "a", "bytes": video.stat().st_size}
    store = ClipStore.open(ClipTable("one", tmp_path, ("a",), pd.DataFrame([row])), frames=4, size=16)
    (part,) = read_parts(video, frames=4, size=16, parts=1)
    assert torch.equal(part.frames, store.gather([0])[0])
    assert part.decoded == 12


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (2, [[1, 4], [7, 10]]),
        (3, [[1, 3], [5, 7], [9, 11]]),
        (5, [[0, 1], [2, 3], [4, 6], [7, 8], [9, 11]]),
        (12, [[k, k] for k in range(12)]),
    ],
)
def test_each_part_is_sampled_for_itself(tmp_path, write_video, parts, expected):
    decoded = read_parts(write_video(tmp_path / "grey.avi", LEVELS), frames=2, size=16, parts=parts)
    assert [levels(part) for part in decoded] == expected
    assert sum(part.decoded for part in decoded) == 12


@pytest.mark.parametrize(("frames", "parts"), [(1, 1), (149, 1), (150, 1), (299, 1), (300, 2), (450, 3)])
def test_auto_takes_a_part_for_each_full_five_seconds(tmp_path, write_video, frames, parts):
    decoded = read_parts(write_video(tmp_path / "v.avi", [0] * frames), frames=4, size=16, parts=None)
    assert len(decoded) == parts
    assert sum(part.decoded for part in decoded) == frames


@pytest.mark.parametrize("parts", [0, 13])
def test_parts_without_a_frame_are_refused(tmp_path, write_video, parts):
    with pytest.raises(UserError, match=f"12 frames do not make {parts} parts; legal: 1 to 12"):
        read_parts(write_video(tmp_path / "grey.avi", LEVELS), frames=4, size=16, parts=parts)


def test_a_text_file_is_not_drawn(tmp_path):
    (tmp_path / "notes.txt").write_text("a line of text\n" * 50)
    with pytest.raises(DecodeError, match="it is a text file"):
        read_parts(tmp_path / "notes.txt", frames=4, size=16, parts=1)
