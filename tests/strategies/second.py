"""A strategy with a memory at the first step of its second experience, and what its gradients are by hand."""

import torch

from tests.training.strategies import STILL, create


class Held:
    """What stands at that step.

    Attributes:
        strategy: which has trained the first experience.
        begun: weights and buffers before the step.
        batch: the whole batch.
        loss: its loss.
        gradients: of each trained parameter, before the optimizer has them.
    """

    def __init__(self, build_setup, name, *, prepare=None, **changes):
        options = {"backbone": STILL, "train__batch_size": 6, "train__epochs": 1, "norm": "ln", **changes}
        self.strategy = strategy = create(build_setup(strategy=name, **options))
        strategy.train_experience(0)
        self.begun = {key: value.clone() for key, value in strategy.model.state_dict().items()}
        strategy.optimizer_step = self._hold
        if prepare is not None:
            prepare(strategy)
        strategy.train_experience(1)
        strategy.model.load_state_dict(self.begun)

    def _hold(self):
        strategy = self.strategy
        self.batch, self.loss = strategy.batch, strategy.loss.detach().clone()
        self.gradients = [parameter.grad.clone() for parameter in strategy.model.parameters()]
        self.exemplars = strategy.exemplars.ids.copy()
        self.payload = {name: value.clone() for name, value in strategy.exemplars.payload.items()}
        strategy.stop_training()

    def outputs(self):
        """The outputs of the batch in one forward pass, through which gradients flow."""
        self.strategy.model.train()
        return self.strategy.model(self.batch.clips)

    def differentiate(self, loss):
        """The gradients of a loss of `outputs`."""
        return torch.autograd.grad(loss, list(self.strategy.model.parameters()), materialize_grads=True)

    def differentiate_kept(self, loss):
        """The same, and the graph is kept."""
        parameters = list(self.strategy.model.parameters())
        return torch.autograd.grad(loss, parameters, materialize_grads=True, retain_graph=True)

    def check(self, loss):
        """Compare loss and gradients with those of a loss of `outputs`."""
        torch.testing.assert_close(self.loss, loss.detach().reshape(self.loss.shape), rtol=1e-5, atol=1e-6)
        for given, expected in zip(self.gradients, self.differentiate(loss), strict=True):
            torch.testing.assert_close(given, expected, rtol=1e-3, atol=2e-6)


def cross_entropy(row, target, classes, smoothing=0.0):
    """Of one clip, by its definition: row (outputs,), the classes of the softmax in a list."""
    total = sum(row[c].exp() for c in classes)
    share = {c: smoothing / len(classes) + (1 - smoothing) * (c == target) for c in classes}
    return -sum(share[c] * (row[c].exp() / total).log() for c in classes)


def mean(values):
    values = list(values)
    return sum(values) / len(values)
