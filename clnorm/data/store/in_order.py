"""All frames of a video in the order in which they are shown, with their times, for files whose index misleads.

torchcodec finds frame i by the time that a scan of the packets gives it. In AVI files with B-frames, the genuine ones
of HMDB51 among them, packets have no presentation times: the frame found is up to 2 early, and the last ones have no
time at all, so that none is found (https://github.com/meta-pytorch/torchcodec/issues/1363). In MPEG transport and
program streams FFmpeg seeks past the frame wanted. Read from the start, one after the other, the frames are those that
any other decoder gives.
"""

import json
import math
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clnorm.data.store.video import DecodeError, first_line, open_video

if TYPE_CHECKING:
    from torchcodec.decoders import VideoDecoder

_LEAST = -(2**63)  # the time that FFmpeg gives to a frame without one
_NO_TIME = -1e15  # seconds, more than the least
_DAMAGED_AT_END = 4  # packets of a file that was cut


def frames_in_order(path: Path, *, decoder: str, scanned: int) -> Generator[Any, None, str]:
    """Every frame that can be decoded, torchcodec's `Frame` of the file's own size, which may change on the way.

    Args:
        path: the file.
        decoder: cpu or cuda.
        scanned: how many packets a scan counted.

    Returns:
        What is damaged among the last frames, which are left out then; empty where the file came to its end.

    Raises:
        DecodeError: a frame is damaged, other than the last ones.
    """
    video = _open_at_start(path, decoder=decoder, scanned=scanned)
    index = 0
    while True:  # the length of a file opened without a scan is what its header claims
        try:
            frame = video.get_frame_at(index)
        except (RuntimeError, IndexError) as error:
            ended = isinstance(error, IndexError) or "no more frames" in str(error)
            if index and ended:
                return ""
            if index and index >= scanned - _DAMAGED_AT_END:
                return f"its last frames cannot be decoded, {index} of {scanned} can: {first_line(error, path)}"
            raise DecodeError(
                path, f"its frames ({scanned} found) cannot be decoded: {first_line(error, path)}"
            ) from error
        yield frame
        index += 1


def even_order(times: npt.NDArray[np.float64], *, last: float) -> npt.NDArray[np.int64]:
    """Which frame is shown in the middle of each of n equal intervals that a video of n frames is cut into.

    That is frame k in interval k where frames follow each other at a constant rate, off by no more than one interval,
    or where they have no times; a file of uneven frames is sampled by time in this way.

    Args:
        times: (n,) when each frame is shown, in seconds; n is 1 or more.
        last: seconds that the last frame is shown; 0 or less where that is not known.
    """
    place, gaps = np.arange(len(times)), np.diff(times)
    if len(times) == 1 or times.min() < _NO_TIME or gaps.min() <= 0:
        return place
    step = (times[-1] + (last if last > 0 else float(np.median(gaps))) - times[0]) / len(times)
    if is_even(times - times[0], place, step=step):
        return place
    middle = times[0] + (place + 0.5) * step
    order: npt.NDArray[np.int64] = np.searchsorted(times, middle, side="right") - 1
    return order


def is_even(elapsed: npt.NDArray[np.float64], place: npt.NDArray[np.int64], *, step: float) -> bool:
    """Whether the frames `place`, shown `elapsed` seconds from the start, follow each other each `step` seconds."""
    return bool((np.abs(elapsed - place * step) <= step * 1.001).all())


def _open_at_start(path: Path, *, decoder: str, scanned: int) -> "VideoDecoder":
    """The file, opened so that `get_frame_at` of 0, 1, 2 ... gives all frames.

    torchcodec gives a frame if its time is not below that of the index asked first. With the least time there, frames
    without a time are given too, and it seeks to the very start; FFmpeg's reader of MP4 misses that start, so that
    there the scan's own time is asked for.
    """
    # A packet may hold two frames.
    times = [_LEAST, *range(1, 2 * scanned + 16)]
    frames = [{"pts": time, "duration": 1, "key_frame": int(time == _LEAST)} for time in times]
    mappings = json.dumps({"frames": frames})
    from_least = _first_time(path, decoder=decoder, mappings=mappings)
    from_scan = _first_time(path, decoder=decoder, mappings=None)
    return open_video(path, decoder=decoder, mappings=mappings if from_least <= from_scan else None)


def _first_time(path: Path, *, decoder: str, mappings: str | None) -> float:
    """When the first frame is shown that comes out, in seconds; infinity where none does."""
    try:
        return float(open_video(path, decoder=decoder, mappings=mappings).get_frame_at(0).pts_seconds)
    except (RuntimeError, DecodeError):
        return math.inf
