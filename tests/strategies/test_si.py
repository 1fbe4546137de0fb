"""Synaptic Intelligence against its equations as a plain loop."""

import pytest
import torch

from tests.strategies.plainly import THREE, Method, distance, held_bytes, train_both


class Zenke(Method):
    """ICML 2017, eq. 3 to 5, with every experience's omega, start and end kept."""

    def __init__(self, c, xi):
        self.c, self.xi, self.past = c, xi, []

    def begin(self, model, index):
        self.start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        self.omega = {name: torch.zeros_like(start) for name, start in self.start.items()}

    def importance(self):
        return {
            name: sum(w[name].clamp(min=0) / ((end[name] - start[name]) ** 2 + self.xi) for w, start, end in self.past)
            for name in self.start
        }

    def extra(self, model, clips, index):
        if not self.past:
            return torch.zeros(())
        reference, importance = self.past[-1][2], self.importance()
        named = model.named_parameters()
        return self.c * sum((importance[name] * (reference[name] - p) ** 2).sum() for name, p in named)

    def stepped(self, model, gradients, before):
        for name, parameter in model.named_parameters():
            self.omega[name] -= gradients[name] * (parameter.detach() - before[name])

    def end(self, model, clips, targets, seen):
        end = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        self.past.append((self.omega, self.start, end))


@pytest.mark.slow
@pytest.mark.parametrize(("pieces", "scaled"), [(1, False), (2, False), (1, True)])
def test_training_and_importances_are_the_papers(build_setup, in_double, pieces, scaled):
    setup = build_setup(strategy="si:c=2,xi=0.01", train__accumulate=pieces, **THREE)
    method = Zenke(c=2, xi=0.01)
    trained, expected = train_both(setup, method, scaled=scaled)
    assert distance(expected, trained.model) < 1e-9
    (state,) = trained.state_dict()["plugins"]
    for name, value in method.importance().items():
        torch.testing.assert_close(state["importance"][name], value, rtol=1e-6, atol=1e-9)
    assert method.most > 1e-3
    parameters = sum(parameter.numel() for parameter in trained.model.parameters())
    assert held_bytes(state) == 3 * 8 * parameters, "importance, anchor and path"


@pytest.mark.slow
def test_a_step_that_is_not_taken_leaves_the_path_finite(build_setup, monkeypatch):
    """In fp16 gradients overflow now and then, and the step is left out."""
    setup = build_setup(strategy="si", **THREE)
    object.__setattr__(setup.execution, "precision", "fp16")
    strategy = setup.config.strategy.build(setup)
    (plugin,) = strategy._given
    parameter = strategy.model.head.bias
    strategy.experience = strategy.benchmark.train_stream[0]
    strategy.scaler = torch.amp.GradScaler("cpu", enabled=False)
    plugin.before_training_exp(strategy)
    parameter.grad = torch.full_like(parameter, float("inf"))
    plugin.before_update(strategy)
    plugin.after_update(strategy)
    assert plugin.path["head.bias"].tolist() == [0.0] * len(parameter)
