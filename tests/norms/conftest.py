"""Fixtures that the tests of norms share."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from clnorm.norms import Statistics

C = 8


class Block(nn.Module):
    """norm1 and norm2 around a linear map: tokens (S, N, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(C, eps=1e-6)
        self.linear = nn.Linear(C, C)
        self.norm2 = nn.LayerNorm(C, eps=1e-6)

    def forward(self, x):
        return self.norm2(self.linear(self.norm1(x)))


@pytest.fixture
def create_model() -> Callable[[], nn.Module]:
    """Builds two blocks of 8 channels, their parameters drawn, the same ones each time."""

    def build() -> nn.Module:
        model = nn.Sequential(Block(), Block())
        with torch.no_grad():
            for seed, parameter in enumerate(model.parameters()):
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
        return model

    return build


@pytest.fixture
def weighing() -> Callable[..., Statistics]:
    """Builds statistics that count the clips of a batch by weights given outright."""

    def build(*weights: float) -> Statistics:
        class Weighing(Statistics):
            def weigh(self, context):
                return torch.tensor(weights, dtype=torch.float32), True

        return Weighing()

    return build
