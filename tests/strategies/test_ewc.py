"""EWC: the Fisher of a linear softmax by hand, independence of batches, Avalanche's own, and the papers' penalties."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.errors import UserError
from clnorm.seeding import torch_generator
from clnorm.strategies.ewc import EWCPlugin, ewc, log_likelihoods
from clnorm.strategies.importance import mean_gradients
from tests.strategies.plainly import THREE, Method, distance, train_both


@pytest.fixture
def linear():
    """A linear softmax over 4 outputs on 3 features, with 7 samples of the first 3 classes."""
    model = nn.Linear(3, 4)
    generator = torch_generator(0, "ewc test")
    with torch.no_grad():
        model.weight.normal_(generator=generator)
        model.bias.normal_(generator=generator)
    inputs = torch.randn(7, 1, 3, generator=generator)
    return model, list(zip(inputs, torch.tensor([[0], [1], [2], [0], [1], [2], [2]]), strict=True))


def fisher_diagonal(model, samples, *, seen, exact):
    return mean_gradients(model, samples, partial(log_likelihoods, outputs=slice(0, seen), exact=exact), power=2)


def probabilities(model, features, seen):
    return torch.softmax((model.weight @ features + model.bias)[:seen], 0)


def test_exact_fisher_is_the_analytic_one_of_a_linear_softmax(linear):
    # E_y (1[y=c] - p_c)^2 = p_c (1 - p_c), so F[c, d] = mean_x p_c (1 - p_c) x_d^2.
    model, samples = linear
    expected = torch.zeros_like(model.weight)
    for x, _ in samples:
        p = probabilities(model, x[0], 3).detach()
        expected[:3] += torch.outer(p * (1 - p), x[0] ** 2) / len(samples)
    fisher = fisher_diagonal(model, samples, seen=3, exact=True)
    torch.testing.assert_close(fisher["weight"], expected)
    assert fisher["weight"][3].tolist() == [0, 0, 0]


def test_empirical_fisher_is_the_analytic_one_of_a_linear_softmax(linear):
    model, samples = linear
    expected = torch.zeros_like(model.bias)
    for x, label in samples:
        p = probabilities(model, x[0], 3).detach()
        p[label] -= 1
        expected[:3] += p**2 / len(samples)
    torch.testing.assert_close(fisher_diagonal(model, samples, seen=3, exact=False)["bias"], expected)


@pytest.mark.parametrize("exact", [True, False])
def test_fisher_is_a_mean_over_clips_however_they_are_grouped(linear, exact):
    model, samples = linear
    whole = fisher_diagonal(model, samples, seen=4, exact=exact)
    for size in (1, 2, 3, 7):
        groups = [samples[start : start + size] for start in range(0, len(samples), size)]
        parts = [fisher_diagonal(model, group, seen=4, exact=exact) for group in groups]
        for name, value in whole.items():
            weighted = sum(part[name] * len(group) for part, group in zip(parts, groups, strict=True))
            torch.testing.assert_close(weighted / len(samples), value)


def test_frozen_parameters_have_no_fisher(linear):
    model, samples = linear
    model.bias.requires_grad_(False)
    assert set(fisher_diagonal(model, samples, seen=4, exact=False)) == {"weight"}


def measure(setup, fisher):
    """The Fisher of an untrained model, its head drawn, as the strategy measures it."""
    nn.init.normal_(setup.model.head.weight, generator=torch.Generator().manual_seed(0))
    strategy = ewc(setup)
    strategy.experience = SimpleNamespace(current_experience=0)
    return EWCPlugin(1.0, fisher=fisher).measure(strategy)


@pytest.mark.parametrize("norm", ["bn", "cn"])
@pytest.mark.parametrize("fisher", ["empirical", "exact"])
def test_the_fisher_is_equal_for_every_batch_size(build_setup, norm, fisher):
    whole, *others = (
        measure(build_setup(norm=norm, eval__batch_size=of_test, train__batch_size=of_training), fisher)
        for of_test, of_training in ((64, 4), (1, 8), (3, 2))
    )
    assert sum(value.sum() for value in whole.values()) > 0
    for other in others:
        for name, value in whole.items():
            assert (other[name] - value).norm() <= 1e-5 * value.norm(), name


def test_avalanches_definition_is_avalanches_and_goes_by_the_batch_size(build_setup):
    from avalanche.training.plugins.ewc import EWCPlugin as AvalanchePlugin

    found = {}
    for size in (1, 3, 8):
        setup = build_setup(norm="ln", train__batch_size=size)
        found[size] = measure(setup, "avalanche")
        ids = setup.stream.experiences[0].train_ids
        clips = setup.store.gather(ids).float().mul_(2 / 255).sub_(1)
        targets = torch.as_tensor(setup.stream.targets)[ids]
        triples = [(clip, target, 0) for clip, target in zip(clips, targets, strict=True)]
        optimizer, device = torch.optim.SGD(setup.model.parameters()), torch.device("cpu")
        expected = AvalanchePlugin(1.0).compute_importances(
            setup.model, lambda out, y: F.cross_entropy(out[:, :2], y), optimizer, triples, device, size
        )
        for name, value in found[size].items():
            torch.testing.assert_close(value, expected[name].data, rtol=1e-4, atol=1e-9)
    sums = {size: sum(value.sum() for value in fisher.values()) for size, fisher in found.items()}
    assert sums[1] > 1.5 * sums[8]


class Kirkpatrick(Method):
    """PNAS 2017, eq. 3, with a penalty for each past experience, all of them kept; or Schwarz et al. 2018, by gamma."""

    def __init__(self, lam, *, exact=False, gamma=None):
        self.lam, self.exact, self.gamma, self.past = lam, exact, gamma, []

    def extra(self, model, clips, index):
        named = model.named_parameters()
        terms = [
            fisher[name] * (parameter - anchor[name]) ** 2 for name, parameter in named for fisher, anchor in self.past
        ]
        return self.lam / 2 * sum(term.sum() for term in terms)

    def end(self, model, clips, targets, seen):
        named = dict(model.named_parameters())
        fisher = {name: torch.zeros_like(parameter) for name, parameter in named.items()}
        for clip, target in zip(clips, targets, strict=True):
            p = torch.softmax(model(clip[None])[0, :seen], 0)
            for label in range(seen) if self.exact else [target]:
                weight = p[label].item() if self.exact else 1.0
                model.zero_grad()
                torch.log(torch.softmax(model(clip[None])[0, :seen], 0)[label]).backward()
                for name, parameter in named.items():
                    fisher[name] += weight * parameter.grad**2 / len(clips)
        if self.gamma is not None and self.past:
            fisher = {name: self.gamma * self.past[0][0][name] + value for name, value in fisher.items()}
            self.past = []
        self.past.append((fisher, {name: parameter.detach().clone() for name, parameter in named.items()}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("ewc:lam=50", {"lam": 50}),
        ("ewc:lam=50,fisher=exact", {"lam": 50, "exact": True}),
        ("ewc:lam=50,mode=online,gamma=0.5", {"lam": 50, "gamma": 0.5}),
    ],
)
def test_training_is_that_of_the_papers_which_keep_every_anchor(build_setup, in_double, strategy, options):
    setup, method = build_setup(strategy=strategy, **THREE), Kirkpatrick(**options)
    trained, expected = train_both(setup, method)
    assert distance(expected, trained.model) < 1e-9
    assert method.most > 1e-3
    assert len(method.past) == (1 if "online" in strategy else 3)


@pytest.mark.slow
def test_avalanches_penalty_has_no_half(build_setup, in_double):
    # Of batches of one clip its Fisher is the empirical one.
    halves = {
        "strategy": "ewc:lam=10,fisher=avalanche",
        **THREE,
        "train__batch_size": 1,
        "train__epochs": 1,
        "dataset": "synthetic:classes=6,train=2,test=2",
    }
    trained, expected = train_both(build_setup(**halves), Kirkpatrick(lam=20))
    assert distance(expected, trained.model) < 1e-9


def test_a_gamma_that_would_do_nothing_is_refused(build_setup):
    with pytest.raises(UserError, match=r"gamma=0\.5 would do nothing with mode=accumulated.*mode=online,gamma=0\.5"):
        ewc(build_setup(), gamma=0.5)
