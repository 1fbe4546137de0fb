"""`clnorm data check` opens every clip, and decodes it to its end where it is asked to: what is damaged is named."""

import json
import random
from pathlib import Path

import pytest

from clnorm.catalogue import DATASETS
from clnorm.cli.main import main
from clnorm.data.check import videos
from clnorm.data.check.check import check_dataset
from clnorm.data.check.survey import Survey
from clnorm.data.check.videos import check_videos
from clnorm.errors import ClnormError
from clnorm.progress import Reporter


def look(root: Path, *, decode: bool) -> Survey:
    survey = check_dataset(DATASETS.parse("folder"), root)
    check_videos(survey, Reporter(), decode=decode)
    return survey


@pytest.fixture(scope="module")
def make_noise():
    """Writes 60 frames of noise, so that each packet has thousands of bytes, which can be spoilt."""
    import torch
    from torchcodec.encoders import VideoEncoder

    frames = torch.randint(0, 256, (60, 3, 48, 64), generator=torch.Generator().manual_seed(0)).byte()

    def make(path: Path, codec: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        VideoEncoder(frames, frame_rate=30).to_file(path, codec=codec)
        return path

    return make


@pytest.fixture
def root(tmp_path, write_video) -> Path:
    """Two classes of three whole clips each."""
    for label in ("dive", "wave"):
        for number in range(3):
            write_video(tmp_path / label / f"s{number}_a.avi", [40, 80, 120, 160, 200, 240])
    return tmp_path


def spoil(path: Path, start: float, stop: float, *, zeros: bool) -> None:
    """Overwrite a part of a file, given by shares of its length."""
    content = bytearray(path.read_bytes())
    first, last = int(start * len(content)), int(stop * len(content))
    content[first:last] = bytes(last - first) if zeros else random.Random(0).randbytes(last - first)
    path.write_bytes(content)


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def test_whole_clips(root):
    survey = look(root, decode=False)
    assert (survey.opened, survey.decoded, survey.damaged, survey.problems) == (6, None, {}, [])
    survey = look(root, decode=True)
    assert (survey.opened, survey.decoded, survey.damaged, survey.short, survey.problems) == (6, 6, {}, {}, [])


def test_what_is_no_video_is_named_without_decoding(root):
    (root / "dive" / "s0_a.avi").write_text("no video")
    (root / "wave" / "s1_a.avi").write_bytes(random.Random(0).randbytes(2000))
    cut(root / "wave" / "s2_a.avi", 0.01)
    (root / "wave" / "s0_a.avi").write_bytes(b"")
    survey = look(root, decode=False)
    assert sorted(survey.damaged) == ["dive/s0_a.avi", "wave/s1_a.avi", "wave/s2_a.avi"]
    assert survey.problems[0] == "1 clip ('wave/s0_a.avi') empty"
    assert all("damaged: " in problem for problem in survey.problems[1:])
    assert survey.opened == 5, "an empty file is named once"


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "libx264"), ("mp4", "mpeg4")])
@pytest.mark.parametrize("zeros", [True, False])
def test_damage_in_the_midst_is_found_by_decoding_alone(root, make_noise, suffix, codec, zeros):
    clip = make_noise(root / "dive" / f"noise.{suffix}", codec)
    spoil(clip, 0.4, 0.6, zeros=zeros)
    assert look(root, decode=False).problems == []
    survey = look(root, decode=True)
    assert list(survey.damaged) == [f"dive/noise.{suffix}"]
    (problem,) = survey.problems
    assert problem.startswith(f"1 clip ('dive/noise.{suffix}') damaged: its frames (60 found) cannot be decoded: ")


def test_damage_in_the_last_packets_is_damage_though_runs_read_what_is_before(root, make_noise):
    from clnorm.data.store.decode import read_clip

    clip = make_noise(root / "dive" / "noise.mp4", "mpeg4")
    content = bytearray(clip.read_bytes())
    index = content.rindex(b"moov") - 4  # right after the last packet
    content[index - 4000 : index] = bytes(4000)
    clip.write_bytes(content)
    kept = read_clip(clip, frames=4, size=8).decoded
    assert 56 <= kept < 60
    survey = look(root, decode=True)
    (problem,) = survey.problems
    said = f"1 clip ('dive/noise.mp4') damaged: its last frames cannot be decoded, {kept} of 60 can: "
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("avi", "mpeg4"), ("mkv", "libx264"), pytest.param("webm", "libvpx-vp9", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_clip_that_was_cut_off_has_fewer_frames_than_its_header_states(root, make_noise, suffix, codec, share):
    """Its container ends, and FFmpeg says nothing of it."""
    clip = make_noise(root / "dive" / f"noise.{suffix}", codec)
    assert look(root, decode=True).short == {}
    cut(clip, share)
    survey = look(root, decode=True)
    assert survey.problems == []
    ((name, (decoded, stated)),) = survey.short.items()
    assert (name, stated) == (f"dive/noise.{suffix}", 60)
    assert 0 < decoded < 60 * share + 1
    (note,) = [note for note in survey.notes if "header" in note]
    assert f"1 clip ('dive/noise.{suffix}') with far fewer frames than the header states ({decoded} of 60)" in note


def test_without_ffmpeg_headers_are_a_note_and_frames_an_error(root, monkeypatch):
    def refuse(decoder: str) -> None:
        raise ClnormError("FFmpeg is not there")

    monkeypatch.setattr(videos, "require_decoder", refuse)
    survey = look(root, decode=False)
    assert (survey.opened, survey.decoded, survey.problems) == (None, None, [])
    assert "no header was read: FFmpeg is not there" in survey.notes
    with pytest.raises(ClnormError, match="FFmpeg is not there"):
        look(root, decode=True)


def test_streams_that_state_no_duration_are_opened(root, make_noise):
    make_noise(root / "dive" / "noise.mjpeg", "mjpeg")
    survey = look(root, decode=True)
    assert (survey.damaged, survey.opened, survey.decoded) == ({}, 7, 7)


def test_the_command_says_what_was_looked_at(root, make_noise, capsys):
    arguments = ["data", "check", "folder", "--data-root", str(root)]
    assert main([*arguments, "--decode"]) == 0
    assert capsys.readouterr().out.endswith("nothing is wrong in: names, sizes and all frames of 6 clips\n")
    spoil(make_noise(root / "dive" / "noise.mp4", "libx264"), 0.4, 0.6, zeros=True)
    assert main(arguments) == 0
    assert main([*arguments, "--decode", "--json"]) == 1
    output = capsys.readouterr()
    assert "1 thing is wrong" in output.err
    survey = json.loads(output.out[output.out.index("{") :])
    assert "1 clip ('dive/noise.mp4') damaged: its frames (60 found)" in survey["problems"][0]
    assert (survey["decoded"], list(survey["damaged"])) == (6, ["dive/noise.mp4"])


@pytest.mark.slow
def test_real_clips_are_whole(shared_data):
    survey = check_dataset(DATASETS.parse("hmdb51"), shared_data / "data" / "hmdb21")
    check_videos(survey, Reporter(), decode=True)
    assert (survey.decoded, survey.damaged, survey.short, survey.problems) == (922, {}, {}, [])
