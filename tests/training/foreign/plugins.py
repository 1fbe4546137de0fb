"""Plug-ins that know nothing of clnorm, right ones and wrong ones."""

import copy
import random

import numpy as np
import torch
from avalanche.core import SupervisedPlugin
from avalanche.training.plugins import LwFPlugin, ReplayPlugin


class Draws(SupervisedPlugin):
    """Draws from the global generators, and writes down what."""

    def __init__(self):
        super().__init__()
        self.drawn = []

    def before_training_iteration(self, strategy, **kwargs):
        self.drawn.append((random.random(), float(np.random.rand())))  # noqa: NPY002


class Reader(SupervisedPlugin):
    """Passes the clips of its experience through the model by their ids, and through a copy."""

    def __init__(self, copied: bool = False):
        super().__init__()
        self.copied, self.outputs = copied, []

    def after_training_exp(self, strategy, **kwargs):
        model = copy.deepcopy(strategy.model) if self.copied else strategy.model
        model.eval()
        samples = [strategy.experience.dataset[place] for place in range(5)]
        ids = torch.tensor([sample[0] for sample in samples])
        with torch.no_grad():
            self.outputs.append((ids, model(ids)))
        model.train()


class InPieces(LwFPlugin, supports_distributed=True):
    pass


class OwnReplay(ReplayPlugin):
    pass


class Optional(SupervisedPlugin):
    def __init__(self, rate, size=10, decay=None, name="a", *, setup, model):
        super().__init__()
        self.given = (rate, size, decay, name, setup.model is model)

    def before_backward(self, strategy, **kwargs):
        strategy.loss += 0


class OnlyLoads(Optional):
    def load_state_dict(self, state):
        raise AssertionError("it has no state_dict")


class Wrong(SupervisedPlugin):
    """Does what `fault` says, in the hook that it names."""

    def __init__(self, fault):
        super().__init__()
        hook, self.fault = fault.split("-")
        setattr(self, hook, self.go_wrong)

    def go_wrong(self, strategy, **kwargs):
        getattr(self, self.fault)(strategy)

    def loader(self, strategy):
        strategy.dataloader = [*strategy.dataloader]

    def dataset(self, strategy):
        strategy.adapted_dataset = strategy.adapted_dataset.subset([0])

    def model(self, strategy):
        strategy.model = copy.deepcopy(strategy.model)

    def optimizer(self, strategy):
        strategy.optimizer = torch.optim.SGD(strategy.model.parameters(), lr=1.0)

    def rate(self, strategy):
        strategy.optimizer.param_groups[0]["lr"] = 7.0

    def loss(self, strategy):
        strategy._criterion = torch.nn.CrossEntropyLoss()

    def epochs(self, strategy):
        strategy.train_epochs = 9

    def evaluation(self, strategy):
        strategy.model.eval()

    def error(self, strategy):
        strategy.mb_x[0, 99]

    def subscript(self, strategy):
        strategy.mbatch[0]

    def features(self, strategy):
        strategy.model.forward_features(torch.tensor([1, 2]))

    def weights(self, strategy):
        with torch.no_grad():
            strategy.model.head.bias.add_(1)

    def detached(self, strategy):
        strategy.loss = strategy.loss.detach()

    def vector(self, strategy):
        strategy.loss = strategy.loss * torch.ones(3)

    def unknown_clip(self, strategy):
        strategy.model(torch.tensor([10**6]))


class Misspelt(SupervisedPlugin):
    def before_backwards(self, strategy, **kwargs):
        strategy.loss += 1


class Evaluates(SupervisedPlugin):
    def after_eval_exp(self, strategy, **kwargs):
        strategy.evaluated = True


class Nothing(SupervisedPlugin):
    pass


class Criterion(SupervisedPlugin):
    def __call__(self, logits, targets):
        return logits.sum()

    def before_backward(self, strategy, **kwargs):
        pass


class Holds(SupervisedPlugin):
    """Keeps what it is given, whatever it is."""

    def __init__(self, state):
        super().__init__()
        self.state = state

    def before_update(self, strategy, **kwargs):
        pass

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


class PassesOthers(SupervisedPlugin):
    """Passes a clip through the model in training, between the batch's forward pass and its loss."""

    def after_forward(self, strategy, **kwargs):
        strategy.model(strategy.batch.ids[:1])
