"""A good norm to be broken in one way each, and what the kit must say of that."""

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.catalogue import NORMS
from clnorm.conformance.kit import CHECKS, check_norm


class Good(nn.Module):
    """Layer Normalization in plain torch."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.weight = nn.Parameter(torch.ones(num_channels))

    def forward(self, x):
        return self.compute(x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)

    def compute(self, x):
        with torch.autocast("cpu", enabled=False):
            return F.layer_norm(x, (self.num_channels,), self.weight)


def judge_now(spec):
    """The status and detail of each check of a norm with 12 channels."""
    report = check_norm(spec, 12)
    assert [finding.check for finding in report.findings] == [check.name for check in CHECKS]
    return {finding.check: (finding.status, finding.detail) for finding in report.findings}


@pytest.fixture(scope="session")
def judge():
    """Judges a norm of the catalogue or a class that can be imported, each once."""
    return cache(judge_now)


@pytest.fixture
def try_norm(monkeypatch):
    """Registers a class as the norm `tried`, for one test, and judges it.

    A class that is no module says only what it changes, and is laid over `Good`.
    """
    monkeypatch.setattr(NORMS, "_entries", dict(NORMS._entries))

    def judge_class(cls):
        norm = cls if issubclass(cls, nn.Module) else type(cls.__name__, (cls, Good), {})
        NORMS.register("tried")(norm)
        return judge_now("tried")

    return judge_class
