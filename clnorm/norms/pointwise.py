"""Functions of one element at a time that stand in for norms: no statistics, the same in training and evaluation."""

import torch
from torch import Tensor, nn

from clnorm.norms.base import Norm


class DynamicTanh(Norm):
    """Dynamic Tanh: tanh(alpha * x) * weight + bias, with a learned scalar alpha.

    Zhu, Chen, He, LeCun and Liu, Transformers without Normalization, CVPR 2025.

    Args:
        num_channels: C.
        alpha: what the parameter `alpha` () starts at; published: 0.5.
    """

    def __init__(self, num_channels: int, *, alpha: float = 0.5) -> None:
        super().__init__(num_channels)
        self.alpha = nn.Parameter(torch.tensor(float(alpha)))

    def normalize(self, x: Tensor) -> Tensor:
        weight, bias = self.affine(x.dtype)
        return torch.addcmul(bias, torch.tanh(self.alpha.to(x.dtype) * x), weight)


class DynamicErf(Norm):
    """Dynamic error function (Derf): erf(alpha * x + shift) * weight + bias, with learned scalars alpha and shift.

    Chen, Lu, Zhu, Sun and Liu, Stronger Normalization-Free Transformers, arXiv 2512.10938.

    Args:
        num_channels: C.
        alpha: what the parameter `alpha` () starts at; published: 0.5. The parameter `shift` () starts at 0.
    """

    def __init__(self, num_channels: int, *, alpha: float = 0.5) -> None:
        super().__init__(num_channels)
        self.alpha = nn.Parameter(torch.tensor(float(alpha)))
        self.shift = nn.Parameter(torch.tensor(0.0))

    def normalize(self, x: Tensor) -> Tensor:
        weight, bias = self.affine(x.dtype)
        return torch.addcmul(bias, torch.erf(self.alpha.to(x.dtype) * x + self.shift.to(x.dtype)), weight)
