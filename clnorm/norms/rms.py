"""Root Mean Square Normalization."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from clnorm.norms.base import Norm


class RMSNorm(Norm):
    """Root Mean Square Normalization: x / sqrt(mean_C x^2 + eps) * weight, at each position by itself.

    There is no bias; training and evaluation are the same. Zhang and Sennrich, Root Mean Square Layer Normalization,
    NeurIPS 2019.

    Args:
        num_channels: C.
        eps: added to the mean square.
    """

    def __init__(self, num_channels: int, *, eps: float = 1e-6) -> None:
        super().__init__(num_channels, bias=False)
        self.eps = eps

    def normalize(self, x: Tensor) -> Tensor:
        weight = self.weight.to(x.dtype)
        # torch has fused kernels for a GPU only; on a CPU its backward pass takes five times as long as this one.
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            y: Tensor = _RootMeanSquare.apply(x, weight, self.eps)
            return y
        return F.rms_norm(x, (self.num_channels,), weight, self.eps)


class _RootMeanSquare(torch.autograd.Function):
    """y = x r w with r = 1 / sqrt(mean_C x^2 + eps); dx = r (dy w - x r^2 mean_C(dy w x)); once differentiable."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        rows = x.reshape(-1, x.shape[2])
        inverse = torch.linalg.vecdot(rows, rows).div_(x.shape[2]).add_(eps).rsqrt_()
        ctx.save_for_backward(rows, weight, inverse)
        return torch.mul(rows, inverse.unsqueeze(1)).mul_(weight).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        rows, weight, inverse = ctx.saved_tensors
        drows = dy.reshape(rows.shape)
        product = drows * rows
        dweight = inverse @ product
        slope = (product @ weight) * inverse.pow(3) / -rows.shape[1]
        dx = torch.mul(drows, weight, out=product).mul_(inverse.unsqueeze(1)).addcmul_(rows, slope.unsqueeze(1))
        return dx.view(dy.shape), dweight, None
