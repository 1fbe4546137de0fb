"""One video file -> T frames of one size: which frames, how they are read, and why a clip cannot be.

Decoding is torchcodec's (FFmpeg), on one thread, since clips are decoded side by side.
"""

import ctypes
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from clnorm.environment import require_ffmpeg
from clnorm.errors import ClnormError, UserError

if TYPE_CHECKING:
    from torchcodec.decoders import VideoDecoder

PART_SECONDS = 5
"""What `read_parts` cuts a long video into where it is not told how many parts."""

TRIM_EVERY = 100
"""Decoded clips after which `return_memory` is to be called."""

_UNDECODABLE_AT_END = 4
_AT_ONCE = 64  # frames of the file's own size in memory


class DecodeError(ClnormError):
    """A clip that cannot be decoded.

    Args:
        path: the file.
        reason: why, in a few words.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason, where=str(path))
        self.path, self.reason = path, reason


@dataclass(frozen=True, eq=False)
class DecodedClip:
    """The frames of one clip.

    Args:
        frames: (T, 3, size, size) uint8 RGB. Only the first `decoded` can be different frames: a shorter clip repeats
            its last one.
        decoded: how many frames they were sampled from: all that scanning the file found, or fewer where the last of
            them were asked for and could not be decoded.
        header: how many frames its header claims, where it says.
    """

    frames: torch.Tensor
    decoded: int
    header: int | None

    @property
    def kept(self) -> torch.Tensor:
        """The frames without repetitions."""
        return self.frames[: self.decoded]


def sample_indices(num_frames: int, *, frames: int) -> list[int]:
    """The frames to take from a clip of `num_frames`: the middle of `frames` equal segments.

    floor((i + 0.5) * num_frames / frames) for i = 0 ... frames - 1. A clip with fewer frames than that gives each of
    them once, then repeats its last one.

    Raises:
        UserError: either number is below 1.
    """
    if num_frames < 1 or frames < 1:
        raise UserError(f"cannot take {frames} frames from {num_frames}", legal="1 or more of each")
    if num_frames < frames:
        return [*range(num_frames), *[num_frames - 1] * (frames - num_frames)]
    return [(2 * i + 1) * num_frames // (2 * frames) for i in range(frames)]


def read_clip(path: Path, *, frames: int | None, size: int, decoder: str = "cpu") -> DecodedClip:
    """Decode the `sample_indices` of a clip, each resized to size x size (bilinear, antialiased) whatever its shape.

    With `frames` None, all frames that it has.

    The file is scanned, because headers often claim a wrong number of frames. Even so the scan of DivX files with
    B-frames and no presentation times, the genuine files of HMDB51 among them, counts a frame or two that do not
    come out at the end (https://github.com/meta-pytorch/torchcodec/issues/1363): where decoding fails, the clip is
    opened afresh and taken as up to 4 frames shorter. In the same files a frame may come out up to 2 frames early.

    Args:
        path: the file.
        frames: T, how many to take.
        size: height and width that they are resized to.
        decoder: cpu or cuda, where they are decoded and resized; the frames come back to the CPU's memory.

    Raises:
        DecodeError: the file is missing, empty, no video, without frames, or damaged beyond use.
        UserError: there is no CUDA device to decode on.
        ClnormError: FFmpeg's libraries are missing.
    """
    return read_parts(path, frames=frames, size=size, parts=1, decoder=decoder)[0]


def read_parts(
    path: Path, *, frames: int | None, size: int, parts: int | None, decoder: str = "cpu"
) -> list[DecodedClip]:
    """Decode a video as equal consecutive parts, each sampled and resized as `read_clip` does with a clip.

    Of n frames, part k = 0 ... parts - 1 covers those from floor(k * n / parts) to floor((k + 1) * n / parts) - 1.

    Args:
        parts: how many; None takes one for each full `PART_SECONDS` that the video lasts, at least one, and at most
            one a frame.

    Raises:
        UserError: the video has fewer frames than parts.
        DecodeError, UserError, ClnormError: as `read_clip`.
    """
    video = _open(path, decoder)
    header = video.metadata.num_frames_from_header
    scanned = len(video)
    for decoded in range(scanned, max(0, scanned - 1 - _UNDECODABLE_AT_END), -1):
        wanted = min(_count_parts(video), decoded) if parts is None else parts
        bounds = _cut(decoded, wanted, path=path)
        try:
            return [_read_part(video, part, count=frames, size=size, header=header) for part in bounds]
        except RuntimeError as error:
            failure = _first_line(error, path)
            video = _open(path, decoder)
    if scanned == 0:
        raise DecodeError(path, "it holds no frame")
    raise DecodeError(path, f"its frames ({scanned} found) cannot be decoded: {failure}")


def _count_parts(video: "VideoDecoder") -> int:
    duration = cast(float, video.metadata.duration_seconds)  # its frames have been scanned
    # To the millisecond, since 150 frames of 1/30 s do not add up to 5 s in floats.
    return max(1, int(round(duration, 3) // PART_SECONDS))


def _cut(num_frames: int, parts: int, *, path: Path) -> list[range]:
    """The frames of each part."""
    if not 1 <= parts <= num_frames:
        raise UserError(f"{num_frames} frames do not make {parts} parts", where=str(path), legal=f"1 to {num_frames}")
    return [range(k * num_frames // parts, (k + 1) * num_frames // parts) for k in range(parts)]


def _read_part(video: "VideoDecoder", part: range, *, count: int | None, size: int, header: int | None) -> DecodedClip:
    count = len(part) if count is None else count
    wanted = [part[index] for index in sample_indices(len(part), frames=count)[: len(part)]]
    pieces = [wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE)]
    resized = [_resize(video.get_frames_at(piece).data, size=size) for piece in pieces]
    return DecodedClip(_arrange(resized, count=count), len(part), header)


def require_decoder(decoder: str) -> None:
    """Load torchcodec and, through it, FFmpeg, and look for the device that is to decode.

    Raises:
        UserError: there is no CUDA device to decode on.
        ClnormError: as `require_ffmpeg`.
    """
    require_ffmpeg()
    if decoder == "cuda" and not torch.cuda.is_available():
        raise UserError("there is no CUDA device to decode on", where="data.decoder", hint="use data.decoder=cpu")


def _open(path: Path, decoder: str) -> "VideoDecoder":
    require_decoder(decoder)
    from torchcodec.decoders import VideoDecoder

    try:
        empty = path.stat().st_size == 0
    except OSError as error:
        raise DecodeError(path, error.strerror or str(error)) from error
    if empty:
        raise DecodeError(path, "the file is empty")
    try:
        video = VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=1, device=decoder)
    except ValueError as error:
        raise DecodeError(path, "it holds no video stream") from error
    except RuntimeError as error:
        raise DecodeError(path, f"no frame of video can be found in it: {_first_line(error, path)}") from error
    if video.metadata.codec == "ansi":
        raise DecodeError(path, "it is a text file, which FFmpeg would draw")
    return video


def _first_line(error: RuntimeError, path: Path) -> str:
    """What torchcodec says, without the place in its source and the path, which the message has already."""
    said = str(error).strip().partition("\n")[0]
    return re.sub(r"^.*\.cpp:\d+, ", "", said).replace(f": {path} ", ": ").rstrip(".")


def _resize(frames: torch.Tensor, *, size: int) -> npt.NDArray[np.uint8]:
    """(t, 3, H, W) uint8 -> (t, 3, size, size).

    Interpolating integers takes a tenth of the time that floats take, and stays within one grey level of them. CUDA
    has no such kernel for integers.
    """
    if frames.is_cuda:
        floats = F.interpolate(frames.float(), size=(size, size), mode="bilinear", antialias=True)
        frames = floats.round_().clamp_(0, 255).byte().cpu()
        return frames.numpy()
    resized: npt.NDArray[np.uint8] = F.interpolate(frames, size=(size, size), mode="bilinear", antialias=True).numpy()
    return resized


def _arrange(pieces: list[npt.NDArray[np.uint8]], *, count: int) -> torch.Tensor:
    """The frames of all pieces, then the last one repeated: (count, 3, size, size) uint8.

    This keeps to one thread: clips are decoded side by side, and the threads of a torch copy would wait for each other.
    """
    frames = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    order = np.minimum(np.arange(count), len(frames) - 1)
    return torch.from_numpy(np.take(frames, order, axis=0))


def return_memory() -> None:
    """Give freed memory back: glibc's allocator keeps some 0.3 MB a clip otherwise."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
