"""A video file given to FFmpeg: always a local one, whatever its name, and why it cannot be read.

Decoding is torchcodec's (FFmpeg), on one thread, since clips are decoded side by side.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clnorm.environment import require_ffmpeg
from clnorm.errors import ClnormError, UserError

if TYPE_CHECKING:
    from torchcodec.decoders import VideoDecoder


class DecodeError(ClnormError):
    """A clip that cannot be decoded.

    Args:
        path: the file.
        reason: why, in a few words.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason, where=str(path))
        self.path, self.reason = path, reason


def local_url(path: Path) -> str:
    """What FFmpeg is given to open a file: `file:` and its absolute path.

    In a relative name FFmpeg takes what stands before a colon for a protocol: it would read `base.mp4` in place of
    `cache:base.mp4`, and ask the network for `http:/clip.mp4`. What it opens as a file, such as a playlist, may name
    local files only.
    """
    return f"file:{path.absolute()}"


def require_decoder(decoder: str) -> None:
    """Load torchcodec and, through it, FFmpeg, and look for the device that is to decode.

    Raises:
        UserError: there is no CUDA device to decode on.
        ClnormError: as `require_ffmpeg`.
    """
    require_ffmpeg()
    if decoder == "cuda" and not torch.cuda.is_available():
        raise UserError("there is no CUDA device to decode on", where="data.decoder", hint="use data.decoder=cpu")


def open_video(
    path: Path, *, decoder: str = "cpu", seek_mode: str = "exact", mappings: str | None = None
) -> "VideoDecoder":
    """Open a file; all that clnorm decodes is opened here.

    Args:
        decoder: cpu or cuda.
        seek_mode: `exact` scans the file, `approximate` reads its header alone.
        mappings: torchcodec's `custom_frame_mappings`, in place of a scan.

    Raises:
        DecodeError: the file is missing, empty or holds no video.
        UserError, ClnormError: as `require_decoder`.
    """
    require_decoder(decoder)
    from torchcodec.decoders import VideoDecoder

    try:
        empty = path.stat().st_size == 0
    except OSError as error:
        raise DecodeError(path, error.strerror or str(error)) from error
    if empty:
        raise DecodeError(path, "the file is empty")
    index: dict[str, Any] = {"seek_mode": seek_mode} if mappings is None else {"custom_frame_mappings": mappings}
    try:
        video = VideoDecoder(local_url(path), num_ffmpeg_threads=1, device=decoder, **index)
    except ValueError as error:
        raise DecodeError(path, "it holds no video stream") from error
    except RuntimeError as error:
        raise DecodeError(path, f"no frame of video can be found in it: {first_line(error, path)}") from error
    if video.metadata.codec == "ansi":
        raise DecodeError(path, "it is a text file, which FFmpeg would draw")
    return video


def first_line(error: Exception, path: Path) -> str:
    """What torchcodec says, without the place in its source and the path, which the message has already."""
    said = str(error).strip().partition("\n")[0]
    return re.sub(r"^.*\.cpp:\d+, ", "", said).replace(f": {local_url(path)} ", ": ").rstrip(".")
