"""One video file -> T frames of one size: which frames, and how they are read."""

import ctypes
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from clnorm.data.store.in_order import even_order, frames_in_order, is_even
from clnorm.data.store.video import DecodeError, open_video
from clnorm.errors import UserError

if TYPE_CHECKING:
    from torchcodec.decoders import VideoDecoder

Image = npt.NDArray[np.uint8]
"""A frame, (3, size, size)."""

PART_SECONDS = 5
"""What `read_parts` cuts a long video into where it is not told how many parts."""

TRIM_EVERY = 100
"""Decoded clips after which `return_memory` is to be called."""

_AT_ONCE = 64  # frames of the file's own size in memory


@dataclass(frozen=True, eq=False)
class DecodedClip:
    """The frames of one clip.

    Args:
        frames: (T, 3, size, size) uint8 RGB. Only the first `decoded` can be different frames: a shorter clip repeats
            its last one.
        decoded: how many frames they were sampled from: all that the file gives.
        header: how many frames its header claims, where it says.
        uneven: whether they were sampled by their times, because frames do not follow each other at a constant rate.
    """

    frames: torch.Tensor
    decoded: int
    header: int | None
    uneven: bool

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

    The file is scanned, because headers often claim a wrong number of frames. The frames are found by index where the
    scan can be believed: the first frame has the time that the scan begins with, the last one comes out, and all that
    are read lie where a constant rate would have them. Otherwise all frames are read in order, in twice to three times
    the time, as in the genuine files of HMDB51. Where frames are spaced unevenly in time, frame k of n is the one that
    is shown in the middle of the k-th of n equal intervals: sampling then goes by time.

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
    video = open_video(path, decoder=decoder)
    scanned, header = len(video), video.metadata.num_frames_from_header
    if scanned == 0:
        raise DecodeError(path, "it holds no frame")

    def plan(count: int) -> list[range]:
        wanted = min(_count_parts(video, count), count) if parts is None else parts
        return _cut(count, wanted, path=path)

    def sample(part: range) -> list[int]:
        count = len(part) if frames is None else frames
        return [part[index] for index in sample_indices(len(part), frames=count)[: len(part)]]

    bounds = plan(scanned)
    found, uneven = _read_by_index(video, sorted({i for part in bounds for i in sample(part)}), size=size), False
    if found is None:
        order, uneven = _find_order(path, decoder=decoder, scanned=scanned)
        bounds = plan(len(order))
        shown = {i: int(order[i]) for part in bounds for i in sample(part)}
        pixels = _read_in_order(path, set(shown.values()), size=size, decoder=decoder, scanned=scanned)
        found = {i: pixels[frame] for i, frame in shown.items()}
    return [
        DecodedClip(
            _arrange([found[i] for i in sample(part)], count=len(part) if frames is None else frames),
            len(part),
            header,
            uneven,
        )
        for part in bounds
    ]


def _read_by_index(video: "VideoDecoder", wanted: list[int], *, size: int) -> dict[int, Image] | None:
    """The frames `wanted`, in ascending order, resized; None where the scan's index cannot be believed."""
    metadata, count = video.metadata, len(video)
    begin, end = cast(float, metadata.begin_stream_seconds), cast(float, metadata.end_stream_seconds)
    step = (end - begin) / count
    asked = sorted({0, *wanted, count - 1})
    found: dict[int, Image] = {}
    for start in range(0, len(asked), _AT_ONCE):
        piece = asked[start : start + _AT_ONCE]
        try:
            batch = video.get_frames_at(piece)
        except RuntimeError:
            return None
        elapsed = batch.pts_seconds.numpy() - begin
        if (start == 0 and elapsed[0] > step / 100) or not is_even(elapsed, np.array(piece), step=step):
            return None
        found |= zip(piece, _resize(batch.data, size=size), strict=True)
    return found


def _find_order(path: Path, *, decoder: str, scanned: int) -> tuple[npt.NDArray[np.int64], bool]:
    """The order in which the frames of a file are sampled, `even_order`, and whether it is another than their own."""
    times, last = [], 0.0
    for frame in frames_in_order(path, decoder=decoder, scanned=scanned):
        times.append(float(frame.pts_seconds))
        last = float(frame.duration_seconds)
    order = even_order(np.array(times), last=last)
    return order, bool((order != np.arange(len(order))).any())


def _read_in_order(path: Path, wanted: set[int], *, size: int, decoder: str, scanned: int) -> dict[int, Image]:
    """The frames `wanted` of all that come out one after the other, each resized from the size that it has."""
    frames = islice(frames_in_order(path, decoder=decoder, scanned=scanned), max(wanted) + 1)
    return {k: _resize(frame.data[None], size=size)[0] for k, frame in enumerate(frames) if k in wanted}


def _count_parts(video: "VideoDecoder", count: int) -> int:
    """One for each full `PART_SECONDS` that `count` frames last."""
    duration = cast(float, video.metadata.duration_seconds) * count / len(video)  # its frames have been scanned
    # To the millisecond, since 150 frames of 1/30 s do not add up to 5 s in floats.
    return max(1, int(round(duration, 3) // PART_SECONDS))


def _cut(num_frames: int, parts: int, *, path: Path) -> list[range]:
    """The frames of each part."""
    if not 1 <= parts <= num_frames:
        raise UserError(f"{num_frames} frames do not make {parts} parts", where=str(path), legal=f"1 to {num_frames}")
    return [range(k * num_frames // parts, (k + 1) * num_frames // parts) for k in range(parts)]


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


def _arrange(images: list[Image], *, count: int) -> torch.Tensor:
    """The frames, then the last one repeated: (count, 3, size, size) uint8.

    This keeps to one thread: clips are decoded side by side, and the threads of a torch copy would wait for each other.
    """
    frames = np.empty((count, *images[0].shape), dtype=np.uint8)
    np.stack([*images, *[images[-1]] * (count - len(images))], out=frames)
    return torch.from_numpy(frames)


def return_memory() -> None:
    """Give freed memory back: glibc's allocator keeps some 0.3 MB a clip otherwise."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
