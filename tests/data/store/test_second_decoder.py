"""The frames shown, against what another decoder gives: PyAV 18 (FFmpeg 8), every file read from its start to its end.

`second_decoder.json` holds a word of each frame as that decoder gave it, in hexadecimal digits. Of three files of
HMDB51 as they are published it is the CRC-32 of the RGB bytes, (H, W, 3). Of twenty clips encoded anew, three of which
versions of FFmpeg decode a few grey levels apart, it is the mean grey level of each of 4 x 4 blocks.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clnorm.data.store.decode import read_clip, sample_indices
from clnorm.data.store.in_order import frames_in_order
from clnorm.data.store.video import open_video

TABLE = json.loads((Path(__file__).parent / "second_decoder.json").read_text())


def differences(frame: torch.Tensor, line: str) -> int:
    """How far a frame (3, H, W) is from a line of the table: 0 or 1 for a CRC, else grey levels."""
    image = frame.permute(1, 2, 0).contiguous().numpy()
    if len(line) == 8:
        return int(zlib.crc32(image) != int(line, 16))
    height, width = image.shape[0] // 4, image.shape[1] // 4
    blocks = image[: 4 * height, : 4 * width].reshape(4, height, 4, width, 3).mean(axis=(1, 3, 4)).round()
    return int(np.abs(blocks.ravel() - np.frombuffer(bytes.fromhex(line), np.uint8)).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_the_frames_shown_are_those_of_another_decoder(shared_data, name):
    path, expected = shared_data / "data" / name, TABLE[name].split()
    frames = [frame.data for frame in frames_in_order(path, decoder="cpu", scanned=len(open_video(path)))]
    away = [differences(frame, line) for frame, line in zip(frames, expected, strict=True)]
    assert max(away) <= (0 if name.startswith("originals/") else 1)
    for count in (1, 8, 16, 32, 64, None):
        clip = read_clip(path, frames=count, size=64)
        assert (clip.decoded, clip.uneven) == (len(expected), False)
        for shown, index in zip(clip.frames, sample_indices(len(expected), frames=count or len(expected)), strict=True):
            assert torch.equal(shown, F.interpolate(frames[index][None], (64, 64), mode="bilinear", antialias=True)[0])


def test_the_table_tells_frames_apart():
    """It holds three genuine files and twenty others; in the genuine ones any frame that comes out early is seen."""
    genuine = [rows.split() for name, rows in TABLE.items() if name.startswith("originals/")]
    assert (len(genuine), len(TABLE)) == (3, 23)
    assert all(len(set(rows)) > 0.98 * len(rows) for rows in genuine)
