"""What a result was made with: versions, machine and memory, for the record and for `clnorm doctor`."""

import importlib.metadata
import os
import platform
import resource
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PACKAGES = ("clnorm", "torch", "torchvision", "torchcodec", "avalanche-lib", "timm", "numpy", "pandas")


def read_versions(device: "torch.device") -> dict[str, str]:
    """Versions of Python and the packages, the platform, and the device with its threads."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    return {
        "python": platform.python_version(),
        **{package: package_version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "device": f"{name}, {torch.get_num_threads()} CPU threads of {os.cpu_count()}",
    }


def package_version(package: str) -> str:
    """The installed version, or `missing`."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def peak_memory_mb(device: "torch.device") -> float:
    """The most memory held so far in MB: on a GPU torch's, elsewhere that of this process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
