"""A user's own norms: one that keeps the contract, and one that cannot be called."""

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
