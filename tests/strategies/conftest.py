"""What the tests of strategies share."""

import pytest
import torch

from clnorm.execution import inputs
from clnorm.training import batch
from clnorm.training.trainer import ClipStrategy


@pytest.fixture
def in_double(monkeypatch):
    """Inputs, weights, losses and gradients in float64, where two ways of computing the same differ by nothing much."""
    for module in (inputs, batch):
        monkeypatch.setattr(module, "pixels_to_input", lambda clips: clips.double().mul_(2 / 255).sub_(1))
    criterion = ClipStrategy.criterion

    def without_rounding(self):
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "float", torch.Tensor.double)
            return criterion(self)

    monkeypatch.setattr(ClipStrategy, "criterion", without_rounding)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)
