"""SwitchableNorm: each of its three shares alone is the norm of that name."""

import pytest
import torch
import torch.nn.functional as F

from clnorm.norms import build_norm
from tests.norms.steps import C, build, draw


@pytest.mark.parametrize("kind", ["in", "ln", "bn"])
def test_one_share_of_1_is_that_norm(kind):
    norm, x = build("sn:eps=1e-2"), draw(4, 5, C, mean=2.0).float()
    with torch.no_grad():
        for logits in (norm.mean_logits, norm.var_logits):
            logits.fill_(-1e4)[["in", "ln", "bn"].index(kind)] = 0
    first = x.transpose(1, 2)
    if kind == "in":
        z = F.instance_norm(first, eps=1e-2)
    elif kind == "ln":
        z = F.group_norm(first, 1, eps=1e-2)
    else:
        z = F.batch_norm(first, None, None, training=True, eps=1e-2)
    torch.testing.assert_close(norm(x), z.transpose(1, 2) * norm.weight + norm.bias)


def test_shares_start_equal():
    norm = build_norm("sn", C)
    assert norm.mean_logits.softmax(0).tolist() == norm.var_logits.softmax(0).tolist() == [pytest.approx(1 / 3)] * 3
    assert (norm.eps, norm.momentum) == (1e-5, 0.1)
