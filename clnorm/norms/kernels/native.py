"""The passes of `passes.py` in C++ (`passes.cpp`): each goes through memory once, where torch's operations take two or
three turns. They are compiled once, by the system's compiler, when they are asked for.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from clnorm.errors import ClnormError
from clnorm.seeding import hold_process


def load_native() -> None:
    """Load the compiled passes; compile them where this has not been done (some 10 s), into torch's extension folder.

    Processes that come at once compile them once, each kind of processor for itself: `-march=native` of another one may
    be instructions that this one has not.

    Raises:
        ClnormError: they cannot be compiled.
    """
    if hasattr(torch.ops.clnorm, "read_moments"):
        return
    try:
        with hold_process(), _tools_of_this_python():
            _compile()
    except (OSError, RuntimeError) as error:
        raise ClnormError(
            f"the norms' passes cannot be compiled: {str(error).strip().splitlines()[-1]}",
            where="train.kernels=native",
            hint="install g++ and ninja (pip install 'clnorm[native]'), or use --set train.kernels=torch",
        ) from error


def _compile() -> None:
    from filelock import FileLock
    from torch.utils import cpp_extension

    root = os.environ.get("TORCH_EXTENSIONS_DIR") or cpp_extension.get_default_build_root()
    folder = Path(root) / f"clnorm_passes_{_digest_machine()}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        # torch's own lock is a file, which a process that was killed leaves, and then all others wait for ever.
        (folder / "lock").unlink(missing_ok=True)
        cpp_extension.load(
            "clnorm_passes",
            [str(Path(__file__).with_name("passes.cpp"))],
            extra_cflags=["-O3", "-march=native", "-fopenmp"],
            extra_ldflags=["-fopenmp"],
            build_directory=str(folder),
            is_python_module=False,
        )


def _digest_machine() -> str:
    """Twelve hex digits of what the compiled passes hold for: the processor's instructions, torch and Python."""
    processors = Path("/proc/cpuinfo")
    lines = processors.read_text().splitlines() if processors.exists() else []
    instructions = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    parts = (platform.machine(), instructions, torch.__version__, platform.python_version())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


@contextmanager
def _tools_of_this_python() -> Iterator[None]:
    """The folder of this Python on the PATH, where pip puts ninja; it is not where no environment is activated."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


class NativePasses:
    """As `TorchPasses`, for contiguous float32 on a CPU; equal up to rounding."""

    centring_is_free = True

    @staticmethod
    def read_moments(x: Tensor) -> tuple[Tensor, Tensor]:
        mean, var = torch.ops.clnorm.read_moments(x)
        return mean, var

    @staticmethod
    def read_residual(x: Tensor, mean: Tensor) -> Tensor:
        residual: Tensor = torch.ops.clnorm.read_residual(x, mean)
        return residual

    @staticmethod
    def read_products(dy: Tensor, x: Tensor, centre: Tensor | None) -> tuple[Tensor, Tensor]:
        total, product = torch.ops.clnorm.read_products(dy, x, centre)
        return total, product

    @staticmethod
    def apply_affine(x: Tensor, scale: Tensor, shift: Tensor, centre: Tensor | None) -> Tensor:
        y: Tensor = torch.ops.clnorm.apply_affine(x, scale.contiguous(), shift.contiguous(), centre)
        return y

    @staticmethod
    def apply_gradient(
        dy: Tensor, x: Tensor, scale: Tensor, slope: Tensor, shift: Tensor, centre: Tensor | None
    ) -> Tensor:
        small = (tensor.contiguous() for tensor in (scale, slope, shift))
        dx: Tensor = torch.ops.clnorm.apply_gradient(dy, x, *small, centre)
        return dx
