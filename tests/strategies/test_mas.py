"""Memory Aware Synapses against its equations as a plain loop, and of a linear model by hand."""

from functools import partial

import pytest
import torch
from torch import nn

from clnorm.strategies.importance import mean_gradients
from clnorm.strategies.mas import squared_norm
from tests.strategies.plainly import THREE, Method, distance, held_bytes, train_both


def test_importance_of_a_linear_model_by_hand():
    # f = Wx, so that d ||f||^2 / dW = 2 f x^T. Two clips whose gradients would cancel in a batch's mean.
    model = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [5.0, 5.0]]))
    samples = [(torch.tensor([x]), torch.tensor([0])) for x in ([1.0, 1.0], [1.0, -1.0])]
    importance = mean_gradients(model, samples, partial(squared_norm, outputs=slice(0, 2)), power=1)
    assert importance["weight"].tolist() == [[2.0, 2.0], [4.0, 4.0], [0.0, 0.0]]


class Aljundi(Method):
    """ECCV 2018: the mean absolute gradient of single clips' squared output norm, added up over experiences."""

    def __init__(self, lam):
        self.lam, self.past, self.anchor = lam, [], None

    def extra(self, model, clips, index):
        named = model.named_parameters()
        return self.lam * sum((w[name] * (p - self.anchor[name]) ** 2).sum() for name, p in named for w in self.past)

    def end(self, model, clips, targets, seen):
        named = dict(model.named_parameters())
        importance = {name: torch.zeros_like(parameter) for name, parameter in named.items()}
        for clip in clips:
            model.zero_grad()
            (model(clip[None])[0, :seen] ** 2).sum().backward()
            for name, parameter in named.items():
                importance[name] += parameter.grad.abs() / len(clips)
        self.past.append(importance)
        self.anchor = {name: parameter.detach().clone() for name, parameter in named.items()}


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [1, 2])
def test_training_is_the_papers(build_setup, in_double, pieces):
    method = Aljundi(lam=3)
    trained, expected = train_both(
        build_setup(strategy="mas:lam=3", eval__batch_size=3, train__accumulate=pieces, **THREE), method
    )
    assert distance(expected, trained.model) < 1e-9
    assert method.most > 1e-3
    (state,) = trained.state_dict()["plugins"]
    parameters = sum(parameter.numel() for parameter in trained.model.parameters())
    assert held_bytes(state) == 2 * 8 * parameters, "importance and anchor"
