"""The passes over a whole activation that a norm is made of; between them there are only small (S, C) tensors.

Throughout, x and dy are (S, L, C), all others (S, C) in x's dtype. A centre that is None is 0.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from clnorm.norms.kernels.native import NativePasses, load_native

_KERNELS = ContextVar("kernels", default="torch")
_PIECE = 2**19  # elements of x; a smaller piece costs more in calls than the cache gains


class TorchPasses:
    """By torch's operations, for any device and dtype.

    On a CPU they go through x in pieces of some samples, so that what they write for their own use stays in the cache
    and never takes memory of x's size.
    """

    centring_is_free = False

    @staticmethod
    def read_moments(x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance of x over L; the variance is of centred values."""
        samples, _, channels = x.shape
        mean, var = x.new_empty(samples, 1, channels), x.new_empty(samples, channels)
        for part, scratch in _pieces(x):
            torch.mean(x[part], 1, keepdim=True, out=mean[part])
            torch.ops.aten.mse_loss.out(x[part], mean[part], 0, out=scratch)  # (x - mean)^2 in one pass
            torch.mean(scratch, 1, out=var[part])
        return mean.squeeze(1), var

    @staticmethod
    def read_residual(x: Tensor, mean: Tensor) -> Tensor:
        """The mean of x - mean over L: by what rounding has put `mean` off."""
        residual = torch.empty_like(mean)
        for part, scratch in _pieces(x):
            torch.sub(x[part], mean[part].unsqueeze(1), out=scratch)
            torch.mean(scratch, 1, out=residual[part])
        return residual

    @staticmethod
    def read_products(dy: Tensor, x: Tensor, centre: Tensor | None) -> tuple[Tensor, Tensor]:
        """Sums over L of dy and of dy * (x - centre)."""
        samples, _, channels = x.shape
        total, product = x.new_empty(samples, channels), x.new_empty(samples, channels)
        for part, scratch in _pieces(x):
            torch.sum(dy[part], 1, out=total[part])
            if centre is None:
                torch.mul(dy[part], x[part], out=scratch)
            else:
                torch.sub(x[part], centre[part].unsqueeze(1), out=scratch)
                scratch.mul_(dy[part])
            torch.sum(scratch, 1, out=product[part])
        return total, product

    @staticmethod
    def apply_affine(x: Tensor, scale: Tensor, shift: Tensor, centre: Tensor | None) -> Tensor:
        """scale * (x - centre) + shift; a new tensor."""
        if centre is None:
            return torch.addcmul(shift.unsqueeze(1), x, scale.unsqueeze(1))
        y = torch.sub(x, centre.unsqueeze(1))
        return torch.addcmul(shift.unsqueeze(1), y, scale.unsqueeze(1), out=y)

    @staticmethod
    def apply_gradient(
        dy: Tensor, x: Tensor, scale: Tensor, slope: Tensor, shift: Tensor, centre: Tensor | None
    ) -> Tensor:
        """scale * dy + slope * (x - centre) + shift; a new tensor."""
        return TorchPasses.apply_affine(x, slope, shift, centre).addcmul_(dy, scale.unsqueeze(1))


@contextmanager
def use_passes(kernels: str) -> Iterator[None]:
    """Within it, norms that this thread computes use the passes of `kernels`: `torch`, or `native` where those serve.

    Raises:
        ClnormError: the native ones cannot be compiled.
    """
    if kernels == "native":
        load_native()
    before = _KERNELS.set(kernels)
    try:
        yield
    finally:
        _KERNELS.reset(before)


def passes_for(x: Tensor) -> type[TorchPasses] | type[NativePasses]:
    """The passes to be used for x; native ones are for float32 on a CPU."""
    native = _KERNELS.get() == "native"
    return NativePasses if native and x.device.type == "cpu" and x.dtype == torch.float32 else TorchPasses


def _pieces(x: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Slices of samples, each with scratch memory of its size, which the next one writes over."""
    samples = len(x)
    size = max(1, _PIECE * samples // max(x.numel(), 1)) if x.device.type == "cpu" else samples
    scratch = torch.empty_like(x[:size])
    for start in range(0, samples, size):
        part = slice(start, min(start + size, samples))
        yield part, scratch[: part.stop - start]
