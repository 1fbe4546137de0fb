"""`clnorm doctor`: what is installed and whether it works, with the step that mends what does not."""

import shutil

from clnorm.environment import PACKAGES, package_version


def examine() -> str:
    """One line on each thing a run needs.

    Raises:
        ClnormError: FFmpeg's libraries cannot be loaded.
        UserError: the cache cannot be written.
    """
    import torch

    from clnorm.data.cache import cache_dir
    from clnorm.data.decode import require_ffmpeg

    require_ffmpeg()
    import torchcodec

    cache = cache_dir()
    lines = [(package, package_version(package)) for package in PACKAGES]
    lines += [
        ("FFmpeg", f"version {torchcodec.ffmpeg_major_version}, loaded"),
        ("GPU", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none; runs use the CPU"),
        ("CPU threads", str(torch.get_num_threads())),
        ("cache", f"{cache} ({shutil.disk_usage(cache).free / 1e9:.0f} GB free)"),
    ]
    return "\n".join(f"{name:<16}{value}" for name, value in lines)
