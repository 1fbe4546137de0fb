"""Decoding: which frames are taken, what they look like, and that every unreadable file is named with its reason."""

from fractions import Fraction

import pytest
import torch
import torchcodec
from hypothesis import given
from hypothesis import strategies as st
from torchcodec.encoders import AudioEncoder

from clnorm.data.store.decode import read_clip, sample_indices
from clnorm.data.store.video import DecodeError
from clnorm.environment import require_ffmpeg
from clnorm.errors import ClnormError, UserError

LEVELS = [20 * k for k in range(12)]


def brightness(frames: torch.Tensor) -> list[float]:
    return frames.float().mean(dim=(1, 2, 3)).tolist()


def decode_error(path) -> DecodeError:
    with pytest.raises(DecodeError) as error:
        read_clip(path, frames=4, size=16)
    assert str(error.value) == f"{path}: {error.value.reason}"
    assert error.value.path == path
    assert "\n" not in str(error.value)
    return error.value


@pytest.mark.parametrize(
    ("num_frames", "frames", "expected"),
    [
        (10, 4, [1, 3, 6, 8]),
        (9, 1, [4]),
        (1, 1, [0]),
        (4, 4, [0, 1, 2, 3]),
        (3, 5, [0, 1, 2, 2, 2]),
        (1, 3, [0, 0, 0]),
        (40, 16, [1, 3, 6, 8, 11, 13, 16, 18, 21, 23, 26, 28, 31, 33, 36, 38]),
    ],
)
def test_samples_worked_by_hand(num_frames, frames, expected):
    assert sample_indices(num_frames, frames=frames) == expected


@given(num_frames=st.integers(1, 5000), frames=st.integers(1, 128))
def test_every_sample_is_the_middle_of_its_segment(num_frames, frames):
    indices = sample_indices(num_frames, frames=frames)
    assert len(indices) == frames
    if num_frames < frames:
        assert indices == [min(i, num_frames - 1) for i in range(frames)]
        return
    segment = Fraction(num_frames, frames)
    for i, index in enumerate(indices):
        assert i * segment - 1 < index < (i + 1) * segment
        assert index <= i * segment + segment / 2 < index + 1
    assert len(set(indices)) == frames


@pytest.mark.parametrize(("num_frames", "frames"), [(0, 4), (4, 0)])
def test_no_frames_are_no_sample(num_frames, frames):
    with pytest.raises(UserError, match="1 or more of each"):
        sample_indices(num_frames, frames=frames)


@pytest.mark.parametrize("frames", [1, 4, 12, 16])
def test_the_right_frames_are_decoded(tmp_path, write_video, frames):
    clip = read_clip(write_video(tmp_path / "grey.avi", LEVELS), frames=frames, size=16)
    assert clip.frames.shape == (frames, 3, 16, 16)
    assert clip.frames.dtype == torch.uint8
    assert clip.frames.is_contiguous()
    assert (clip.decoded, clip.header) == (12, 12)
    expected = [LEVELS[index] for index in sample_indices(12, frames=frames)]
    assert brightness(clip.frames) == pytest.approx(expected, abs=3)


def test_a_clip_of_one_frame(tmp_path, write_video):
    clip = read_clip(write_video(tmp_path / "one.avi", [100]), frames=3, size=8)
    assert brightness(clip.frames) == pytest.approx([100, 100, 100], abs=3)
    assert clip.decoded == 1


@pytest.mark.parametrize("size", [8, 64, 224])
def test_frames_are_resized_with_antialiasing_whatever_their_shape(shared_data, size):
    path = next((shared_data / "data" / "originals").glob("Baseball*"))
    decoder = torchcodec.decoders.VideoDecoder(str(path))
    frame = decoder[:130][sample_indices(140, frames=4)].float()  # a range from 0 is read in order
    expected = torch.nn.functional.interpolate(frame, (size, size), mode="bilinear", antialias=True)
    assert frame.shape[-2:] == (240, 424)
    assert (read_clip(path, frames=4, size=size).frames - expected).abs().max() <= 1.01


@pytest.mark.parametrize("frames", [1, 8, 16, 32, 64])
def test_genuine_files_decode(shared_data, frames):
    for path in sorted((shared_data / "data" / "originals").iterdir()):
        clip = read_clip(path, frames=frames, size=32)
        assert clip.frames.shape == (frames, 3, 32, 32)
        assert clip.frames.float().std() > 5
        assert clip.header - 4 <= clip.decoded <= clip.header


@pytest.mark.slow
def test_every_cut_of_a_genuine_file_decodes_until_hardly_anything_is_left(shared_data, tmp_path):
    """These are the clips, cut to a dozen packets, whose last frames are counted but never come out."""
    genuine = next((shared_data / "data" / "originals").glob("Baseball*")).read_bytes()
    shortened = 0
    for length in range(16_000, 60_000, 2_000):
        (tmp_path / "cut.avi").write_bytes(genuine[:length])
        scanned = len(torchcodec.decoders.VideoDecoder(str(tmp_path / "cut.avi")))
        clip = read_clip(tmp_path / "cut.avi", frames=16, size=16)
        assert scanned - 4 <= clip.decoded <= scanned < clip.header == 141
        shortened += clip.decoded < scanned
    assert shortened > 0


def test_a_truncated_clip_is_decoded_as_far_as_it_goes(tmp_path, write_video):
    path = write_video(tmp_path / "whole.avi", LEVELS * 4, height=96, width=128)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clip = read_clip(path, frames=4, size=16)
    assert 4 <= clip.decoded < clip.header == 48
    expected = [(LEVELS * 4)[index] for index in sample_indices(clip.decoded, frames=4)]
    assert brightness(clip.frames) == pytest.approx(expected, abs=3)


def test_a_missing_file(tmp_path):
    assert decode_error(tmp_path / "none.avi").reason == "No such file or directory"


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.avi").touch()
    assert decode_error(tmp_path / "empty.avi").reason == "the file is empty"


def test_a_folder(tmp_path):
    assert "Is a directory" in decode_error(tmp_path).reason


def test_a_text_file(tmp_path):
    (tmp_path / "text.avi").write_text("404: not found\n" * 100)
    reason = decode_error(tmp_path / "text.avi").reason
    assert reason.startswith("no frame of video can be found in it: ")
    assert ".cpp" not in reason
    assert reason.count("text.avi") == 0


def test_a_clip_truncated_beyond_use(tmp_path, write_video):
    """Without any packet."""
    path = write_video(tmp_path / "header.avi", LEVELS)
    path.write_bytes(path.read_bytes().partition(b"movi")[0] + b"movi")
    assert decode_error(path).reason.startswith("no frame of video can be found in it: ")


def test_a_file_without_video(tmp_path):
    AudioEncoder(torch.rand(1, 8000) - 0.5, sample_rate=8000).to_file(tmp_path / "sound.wav")
    assert decode_error(tmp_path / "sound.wav").reason == "it holds no video stream"


def test_missing_ffmpeg_is_no_bad_clip(tmp_path, write_video, monkeypatch):
    path = write_video(tmp_path / "grey.avi", LEVELS)
    monkeypatch.setattr(torchcodec, "ffmpeg_major_version", None)
    for call in (require_ffmpeg, lambda: read_clip(path, frames=4, size=16)):
        with pytest.raises(ClnormError, match="apt-get install ffmpeg, brew install ffmpeg, or conda") as error:
            call()
        assert not isinstance(error.value, DecodeError)
        assert error.value.exit_code == 1
