"""Files whose index, times, sizes or names mislead a decoder."""

import shutil
import socket

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchcodec.encoders import VideoEncoder

from clnorm.data.store.decode import read_clip, read_parts, sample_indices
from clnorm.data.store.in_order import even_order
from clnorm.data.store.video import DecodeError, local_url, open_video

LEVELS = [20 * k for k in range(12)]


def encode(path, levels, *, codec, height=48, width=64, **options):
    frames = torch.tensor(levels, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, height, width)
    VideoEncoder(frames.contiguous(), frame_rate=25).to_file(path, codec=codec, extra_options=options)
    return path


def levels_of(clip):
    return clip.frames.float().mean(dim=(1, 2, 3)).tolist()


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("b.avi", "mpeg4", {"bf": "2"}),
        ("h264.avi", "libx264", {"bf": "2"}),
        ("a.ts", "libx264", {"bf": "2"}),
        ("key.ts", "libx264", {"g": "5"}),
        ("m.ts", "mpeg2video", {}),
        ("a.mp4", "libx264", {"bf": "2"}),
        ("a.mkv", "libx264", {"bf": "2"}),
        ("a.webm", "libvpx", {}),
    ],
)
@pytest.mark.parametrize("frames", [1, 4, 12, None])
def test_the_right_frames_in_every_container(tmp_path, name, codec, options, frames):
    """AVI gives B-frames no time; in a transport stream FFmpeg seeks past the frame wanted."""
    clip = read_clip(encode(tmp_path / name, LEVELS, codec=codec, **options), frames=frames, size=16)
    assert (clip.decoded, clip.uneven) == (12, False)
    expected = [LEVELS[index] for index in sample_indices(12, frames=frames or 12)]
    assert levels_of(clip) == pytest.approx(expected, abs=4)


def test_frames_of_another_size_on_the_way_are_resized_one_by_one(tmp_path):
    first = encode(tmp_path / "1.ts", LEVELS, codec="libx264")
    second = encode(tmp_path / "2.ts", LEVELS, codec="libx264", height=80, width=32)
    (tmp_path / "both.ts").write_bytes(first.read_bytes() + second.read_bytes())
    clip = read_clip(tmp_path / "both.ts", frames=None, size=16)
    assert clip.decoded == 24
    assert levels_of(clip) == pytest.approx([*LEVELS, *LEVELS], abs=4)


def frame_at(seconds):
    """Which frame of `variable-rate.mp4` is shown: 60 at 30 a second, then 60 at 5."""
    return int(30 * seconds + 1e-9) if seconds < 2 else min(119, 60 + int((seconds - 2) * 5 + 1e-9))


@pytest.mark.parametrize(("frames", "in_two_seconds"), [(1, 0), (8, 1), (16, 2), (None, 17)])
def test_uneven_frames_are_sampled_by_time(shared_data, frames, in_two_seconds):
    path = shared_data / "cases" / "variable-rate.mp4"
    whole = open_video(path).get_frames_at(list(range(120))).data
    clip = read_clip(path, frames=frames, size=64)
    assert (clip.decoded, clip.uneven) == (120, True)
    step = (13.8 + 1 / 30) / 120
    shown = [frame_at((k + 0.5) * step) for k in sample_indices(120, frames=frames or 120)]
    expected = torch.nn.functional.interpolate(whole[shown], size=(64, 64), mode="bilinear", antialias=True)
    assert torch.equal(clip.frames, expected)
    assert sum(k < 60 for k in shown) == in_two_seconds


def test_parts_of_uneven_frames_last_equally_long(shared_data):
    path = shared_data / "cases" / "variable-rate.mp4"
    first, second = read_parts(path, frames=None, size=64, parts=None)
    assert first.decoded == second.decoded == 60
    whole = read_clip(path, frames=None, size=64).frames
    assert torch.equal(torch.cat([first.frames, second.frames]), whole)


@given(st.integers(1, 300), st.floats(1, 240), st.floats(-5, 100), st.floats(0, 0.4), st.integers(0, 2**32))
def test_even_frames_stay_in_their_order(count, rate, begin, jitter, seed):
    """Also with rounded times, and where the last frame's length is not known."""
    place = np.arange(count) + np.random.default_rng(seed).uniform(-jitter, jitter, count)
    for last in (1 / rate, 0.0):
        assert even_order(begin + place / rate, last=last).tolist() == list(range(count))


def test_uneven_frames_worked_by_hand():
    """Shown at 0, 1, 2, 3 and 9 s, the last for 1 s: the middles of five intervals of 2 s are 1, 3, 5, 7 and 9 s."""
    assert even_order(np.array([0.0, 1, 2, 3, 9]), last=1).tolist() == [1, 3, 3, 3, 4]
    assert even_order(np.array([0.0, 1, 2, 3, -3e17]), last=1).tolist() == [0, 1, 2, 3, 4]
    assert even_order(np.array([0.0, 9, 8, 3, 4]), last=1).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["cache:base.mp4", "12:30_walk.mp4", "concat:base.mp4", "a%03d ?#&.mp4", "-i.mp4"])
def test_a_name_is_a_file_whatever_it_looks_like(tmp_path, monkeypatch, name):
    """FFmpeg would read base.mp4 in place of cache:base.mp4."""
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "base.mp4", [200] * 8, codec="libx264")
    encode(tmp_path / "other.mp4", LEVELS, codec="libx264")
    path = type(tmp_path)(name)
    with pytest.raises(DecodeError, match="No such file"):
        read_clip(path, frames=4, size=16)
    shutil.move(tmp_path / "other.mp4", tmp_path / name)
    assert levels_of(read_clip(path, frames=12, size=16)) == pytest.approx(LEVELS, abs=4)
    assert local_url(path) == f"file:{tmp_path / name}"


def test_a_folder_named_like_a_protocol_asks_no_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        place = f"127.0.0.1:{server.getsockname()[1]}"
        (tmp_path / "http:" / place).mkdir(parents=True)
        path = encode(tmp_path / "http:" / place / "a.mp4", LEVELS, codec="libx264")
        assert read_clip(path.relative_to(tmp_path), frames=4, size=16).decoded == 12
        playlist = tmp_path / "list.m3u8"
        playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://{place}/a.ts\n#EXT-X-ENDLIST\n")
        with pytest.raises(DecodeError):
            read_clip(playlist, frames=4, size=16)
        with pytest.raises(TimeoutError):
            server.accept()
