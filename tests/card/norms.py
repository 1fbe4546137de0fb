"""A user's own norms: one that keeps the contract, and some of which a part of a card cannot be made."""

import torch
from torch import nn


class Halved(nn.Module):
    """Half of Layer Normalization."""

    def __init__(self, num_channels):
        super().__init__()
        self.norm = nn.LayerNorm(num_channels)

    def forward(self, x):
        return self.norm(x) / 2


class Broken(nn.Linear):
    """Has another width."""

    def __init__(self, num_channels):
        super().__init__(num_channels, num_channels + 1)


class Single(nn.Module):
    """Knows float32 alone."""

    def __init__(self, num_channels):
        super().__init__()

    def forward(self, x):
        if x.dtype == torch.float64:
            raise TypeError("no float64")
        return x


class Narrow(nn.Module):
    """Keeps the contract up to a hundred channels."""

    def __init__(self, num_channels):
        super().__init__()

    def forward(self, x):
        if x.shape[-1] > 100:
            raise ValueError("too wide")
        return x
