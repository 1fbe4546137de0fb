"""`clnorm doctor`: what is installed and whether it works, with the step that mends what does not."""

import argparse
import shutil
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from clnorm.cli.flags import Verbs
from clnorm.cli.output import print_text
from clnorm.environment import ANALYSIS, PACKAGES, TRAINING, explain_missing, package_version
from clnorm.errors import ClnormError


def add_doctor(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    doctor = verbs.add_parser("doctor", parents=[common], help="check versions, FFmpeg, GPU, cache and disk")
    doctor.set_defaults(verb=_doctor)


def _doctor(options: argparse.Namespace) -> None:
    text, failure = examine()
    print_text(text)
    if failure:
        raise failure


def examine() -> tuple[str, ClnormError | None]:
    """One line on each thing a run needs, and the error that a run would meet, if any.

    Raises:
        UserError: the cache cannot be written.
    """
    from clnorm.files import cache_dir

    cache = cache_dir()
    lines = [(package, package_version(package)) for package in PACKAGES]
    absent = [module for module in (*TRAINING, *ANALYSIS) if find_spec(module) is None]
    found, failure = ([], explain_missing(absent[0], where="clnorm")) if absent else _try_parts()
    lines += [*found, ("cache", f"{cache} ({shutil.disk_usage(cache).free / 1e9:.0f} GB free)")]
    return "\n".join(f"{name:<16}{value}" for name, value in lines), failure


def _try_parts() -> tuple[list[tuple[str, str]], ClnormError | None]:
    """What works, by name, and the failure of what does not."""
    import torch

    try:
        video, failure = _try_video(), None
    except ClnormError as error:
        video, failure = "does not work", error
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none; runs use the CPU"
    lines = [("FFmpeg", video), ("GPU", gpu), ("CPU threads", str(torch.get_num_threads()))]
    return [*lines, ("bytecode", _find_bytecode())], failure


def _find_bytecode() -> str:
    """Whether Python keeps what it compiles, of which torch is the largest part."""
    import torch

    if Path(cache_from_source(str(torch.__file__))).exists():
        return "kept"
    packages = Path(torch.__file__).parents[1]
    return f"none for torch, so that every start takes about twice as long: python -m compileall -q {packages}"


def _try_video() -> str:
    """Encode and decode a clip of two frames."""
    import torch

    from clnorm.environment import require_ffmpeg

    require_ffmpeg()
    import torchcodec
    from torchcodec.decoders import VideoDecoder
    from torchcodec.encoders import VideoEncoder

    try:
        encoder = VideoEncoder(torch.zeros(2, 3, 64, 64, dtype=torch.uint8), frame_rate=30)
        shape = VideoDecoder(encoder.to_tensor("avi", codec="mpeg4")).get_frame_at(0).data.shape
    except RuntimeError as error:
        raise ClnormError(f"FFmpeg cannot encode and decode a clip: {error}") from error
    return f"version {torchcodec.ffmpeg_major_version}, decoded a frame of {tuple(shape)}"
