"""A good norm to be broken in one way each, and what the kit must say of that."""

from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.catalogue import NORMS
from clnorm.conformance.kit import CHECKS, check_norm
from clnorm.conformance.report import Status


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


@pytest.fixture
def judge():
    """Finds the status and detail of each check of a norm with 12 channels."""

    def check(spec):
        report = check_norm(spec, 12)
        assert [finding.check for finding in report.findings] == [check.name for check in CHECKS]
        return {finding.check: (finding.status, finding.detail) for finding in report.findings}

    return check


@pytest.fixture
def try_norm(monkeypatch, judge):
    """Registers a class as the norm `tried`, for one test, and judges it.

    A class that is no module says only what it changes, and is laid over `Good`.
    """
    monkeypatch.setattr(NORMS, "_entries", dict(NORMS._entries))

    def judge_class(cls):
        norm = cls if issubclass(cls, nn.Module) else type(cls.__name__, (cls, Good), {})
        NORMS.register("tried")(norm)
        return judge("tried")

    return judge_class


@pytest.fixture
def require_failure(try_norm):
    """Asserts that a norm fails the check of what it breaks, with this detail, and of the others only those in `also`.

    Where nothing else can be checked behind the failed one, nothing else must have been.
    """

    def require(cls, check, detail, also):
        found = try_norm(cls)
        failed = {name for name, (status, _) in found.items() if status is Status.FAILED}
        assert detail in found[check][1]
        assert failed == {check, *also}
        if check in ("build", "output"):
            later = [found[each.name] for each in CHECKS if each.name not in ("build", "output")]
            assert set(later) == {(Status.NOT_APPLICABLE, f"the check {check!r} failed")}

    return require


@pytest.fixture
def rules_of():
    """Lists the checks of a module that have a rule to break, by their names."""

    def find(module: ModuleType) -> set[str]:
        return {check.name for check in CHECKS if check.examine.__module__ == module.__name__ and not check.measures}

    return find
