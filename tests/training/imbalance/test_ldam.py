"""LDAM-DRW against a slow loop, and the head that goes with it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from clnorm.errors import UserError
from clnorm.execution.execution import Execution
from clnorm.strategies.baselines import naive
from clnorm.training.imbalance.ldam import LDAM
from clnorm.training.imbalance.samplers import ClassCounts

CLIPS = np.array([81.0, 16.0, 0.0, 1.0])
OPTIONS = {"max_margin": 0.5, "scale": 10.0, "defer": 0.5, "beta": 0.9}


def build(setup, **options):
    balancing = LDAM(setup, **{**OPTIONS, **options})
    balancing.start(ClassCounts(clips=CLIPS, shown=CLIPS))
    return balancing


def slow_loss(features, weight, targets, *, weighted, smoothing=0.0):
    """Cao et al., eq. 13 with scale, one clip after the other."""
    margins = [0.5 * (1 / n) ** 0.25 if n else None for n in CLIPS]
    effective = [(1 - 0.9) / (1 - 0.9**n) if n else 0.0 for n in CLIPS]
    total = 0.0
    for f, y in zip(features.tolist(), targets.tolist(), strict=True):
        cosines = [
            sum(a * b for a, b in zip(f, w, strict=True)) / (math.hypot(*f) * math.hypot(*w)) for w in weight.tolist()
        ]
        cosines[y] -= margins[y]
        logits = [10 * c for c in cosines]
        norm = math.log(sum(math.exp(z) for z in logits))
        wanted = [(1 - smoothing) * (c == y) + smoothing / len(logits) for c in range(len(logits))]
        loss = -sum(q * (z - norm) for q, z in zip(wanted, logits, strict=True))
        total += loss * (effective[y] * 3 / sum(effective) if weighted else 1)
    return total / len(targets)


@pytest.mark.parametrize("done", [0.0, 0.5])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_against_a_slow_loop(build_setup, done, smoothing):
    setup = build_setup()
    balancing, targets = build(setup), torch.tensor([0, 3, 1, 1])
    balancing.done = done
    features = torch.randn(4, setup.model.head.in_features, generator=torch.Generator().manual_seed(0))
    logits = setup.model.head.train()(features)
    expected = slow_loss(features, setup.model.head.weight, targets, weighted=done >= 0.5, smoothing=smoothing)
    assert balancing.loss(logits, targets, smoothing=smoothing).item() == pytest.approx(expected, rel=1e-4)
    first_two = balancing.loss(logits[:, :2], torch.tensor([0, 1, 1, 0]), smoothing=0.0).item()
    expected = slow_loss(features, setup.model.head.weight[:2], torch.tensor([0, 1, 1, 0]), weighted=done >= 0.5)
    assert first_two == pytest.approx(expected, rel=1e-4)


def test_margins_by_hand(build_setup):
    # The rarest class has 1 clip and the margin 0.5; 16 clips halve it, 81 make a third of it.
    margins = build(build_setup()).margins()
    torch.testing.assert_close(margins[[0, 1, 3]], torch.tensor([0.5 / 3, 0.25, 0.5]))


def test_after_training_the_heads_outputs_rank_classes_as_cosines_do(build_setup):
    setup = build_setup(train__imbalance="ldam:scale=20", train__epochs=1, train__weight_decay=0.5)
    strategy = naive(setup)
    strategy.train_experience(0)
    head = setup.model.head
    assert (head.bias == 0).all()
    length = 20 / math.sqrt(head.in_features)
    torch.testing.assert_close(head.weight.norm(dim=1), torch.full((4,), length))
    features = torch.randn(3, head.in_features)
    cosines = nn.functional.cosine_similarity(features[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(features), cosines * length * features.norm(dim=1, keepdim=True))


def test_a_head_of_zeros_is_drawn_from_the_runs_seed(build_setup):
    heads = [build(build_setup(seed=seed))._head.weight.clone() for seed in (0, 0, 1)]
    assert (heads[0].norm(dim=1) > 0).all()
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_the_gradient_reaches_head_and_features(build_setup):
    setup = build_setup()
    balancing = build(setup)
    features = torch.randn(2, setup.model.head.in_features, requires_grad=True)
    balancing.loss(setup.model.head.train()(features), torch.tensor([0, 1]), smoothing=0.0).backward()
    assert features.grad.abs().sum() > 0
    assert setup.model.head.weight.grad.abs().sum() > 0
    assert setup.model.head.bias.grad is None


def test_refuses_a_model_without_head_and_a_compiled_one(build_setup):
    setup = build_setup()
    with pytest.raises(UserError, match="not compiled"):
        build(replace(setup, execution=Execution(compile=True)))
    setup.model.head = nn.Identity()
    with pytest.raises(UserError, match=r"train\.imbalance: .* linear layer called head"):
        build(setup)
