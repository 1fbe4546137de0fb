"""The identity."""

import pytest
import torch

from clnorm.norms import build_norm


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("training", [True, False])
def test_returns_its_input_and_its_gradient_to_the_bit(training, dtype):
    norm = build_norm("identity", 3).train(training)
    x = torch.arange(24.0).view(2, 4, 3).to(dtype).requires_grad_()
    y = norm(x)
    assert torch.equal(y, x)
    assert y.dtype == dtype
    y.backward(3 * torch.ones_like(y))
    assert torch.equal(x.grad, 3 * torch.ones_like(x))


def test_has_no_state():
    assert not build_norm("identity", 3).state_dict()
