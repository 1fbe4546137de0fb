"""Layer Normalization."""

import torch.nn.functional as F
from torch import Tensor

from clnorm.norms.base import Norm


class LayerNorm(Norm):
    """Layer Normalization: (x - mean_C) / sqrt(var_C + eps) * weight + bias, at each position by itself.

    Training and evaluation are the same. Ba, Kiros and Hinton, arXiv 1607.06450.

    Args:
        num_channels: C.
        eps: added to the variance.
    """

    def __init__(self, num_channels: int, *, eps: float = 1e-6) -> None:
        super().__init__(num_channels)
        self.eps = eps

    def normalize(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.num_channels,), *self.affine(x.dtype), self.eps)
