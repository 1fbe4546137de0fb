"""What a result was made with: versions, machine and memory, for the record and for `clnorm doctor`."""

import importlib.metadata
import os
import platform
import resource
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from clnorm.errors import ClnormError
from clnorm.ranks import read_place

if TYPE_CHECKING:
    import torch

# Linux keeps the peak of a process, and forgets it when asked to.
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_PROCESSORS, _MEMORY, _LIMITS = Path("/proc/cpuinfo"), Path("/proc/meminfo"), Path("/sys/fs/cgroup")
PACKAGES = ("clnorm", "torch", "torchvision", "torchcodec", "avalanche-lib", "timm", "numpy", "pandas")
ANALYSIS = {
    "filelock": "filelock",
    "jinja2": "jinja2",
    "markupsafe": "jinja2",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "rich": "rich",
    "scipy": "scipy",
    "yaml": "pyyaml",
}
"""By module, the packages that reading, comparing and showing finished runs needs; they do without the others."""
TRAINING = {
    "PIL": "pillow",
    "avalanche": "avalanche-lib",
    "gdown": "gdown",
    "rarfile": "rarfile",
    "requests": "requests",
    "safetensors": "safetensors",
    "setuptools": "setuptools",
    "timm": "timm",
    "torch": "torch",
    "torchcodec": "torchcodec",
}
"""By module, the packages that data, models and runs need beside these."""


def read_versions(device: "torch.device") -> dict[str, str]:
    """Versions of Python and the packages, the platform, and the device with its threads."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    shared = f", in each of {processes} processes" if (processes := read_place().size) > 1 else ""
    return {
        "python": platform.python_version(),
        **{package: package_version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "device": f"{name}, {torch.get_num_threads()} CPU threads of {os.cpu_count()}{shared}",
    }


def _processor() -> str:
    """The processor's name where the system tells it, since its instructions decide how sums are rounded."""
    lines = _PROCESSORS.read_text().splitlines() if _PROCESSORS.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else f"{platform.machine()} CPU"


def package_version(package: str) -> str:
    """The installed version, or `missing`."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def explain_missing(module: str, *, where: str) -> ClnormError | None:
    """The error of a module that is not found, where it is of a package that clnorm depends on.

    clnorm may be installed without what `TRAINING` names, for the analysis of finished runs alone.

    Args:
        module: as it is imported.
        where: the command that needs it.

    Returns:
        None for another module, such as one that a plug-in imports, or a part of a package.
    """
    if module in ANALYSIS:
        package, hint = ANALYSIS[module], f"install it: pip install {ANALYSIS[module]}"
    elif module in TRAINING:
        package, hint = (
            TRAINING[module],
            "only the analysis of finished runs does without; install it: pip install clnorm",
        )
    else:
        return None
    return ClnormError(f"needs {package}, which is not installed", where=where, hint=hint)


def reset_peak_memory(device: "torch.device") -> None:
    """Start measuring `peak_memory_mb` anew: on a GPU, and on a Linux that allows it.

    Elsewhere the peak is that of the whole process, runs before this one included.
    """
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):  # no Linux, or a container that forbids it
            _CLEAR.write_text("5")


def peak_memory_mb(device: "torch.device") -> float:
    """The most memory held in MB: on a GPU by torch, elsewhere by this process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def free_memory_gb() -> float | None:
    """Memory that processes may still take, by the system and by a container's limit; None where neither is told."""
    lines = _MEMORY.read_text().splitlines() if _MEMORY.exists() else []
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    with suppress(OSError, ValueError):  # no limit is the word max
        limit, used, parts = ((_LIMITS / f"memory.{name}").read_text() for name in ("max", "current", "stat"))
        # Files that were read count as used, and make room when it is needed.
        read = sum(int(line.split()[1]) for line in parts.splitlines() if line.startswith("inactive_file "))
        free.append(int(limit) - int(used) + read)
    return min(free) / 1e9 if free else None


def require_ffmpeg() -> None:
    """Load torchcodec and, through it, FFmpeg.

    Raises:
        ModuleNotFoundError: torchcodec is not installed.
        ClnormError: FFmpeg's shared libraries, or others that torchcodec needs, cannot be loaded.
    """
    try:
        import torchcodec
    except ModuleNotFoundError:
        raise
    except (ImportError, OSError, RuntimeError) as error:
        raise _no_ffmpeg() from error
    if torchcodec.ffmpeg_major_version is None:
        raise _no_ffmpeg()


def _no_ffmpeg() -> ClnormError:
    return ClnormError(
        "torchcodec cannot load FFmpeg's shared libraries, without which no video is decoded",
        hint="apt-get install ffmpeg, brew install ffmpeg, or conda install -c conda-forge ffmpeg; "
        "where FFmpeg is installed, torch and torchcodec do not belong together: see clnorm doctor",
    )
