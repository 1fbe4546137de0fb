"""A-GEM: the projection by hand, and a step's gradient against two gradients taken apart."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clnorm.strategies.agem import project
from tests.strategies.second import Held, cross_entropy, mean


def as_parts(vector):
    """A vector (6,) as the gradients of two parameters."""
    return [vector[:2].clone(), vector[2:].reshape(2, 2).clone()]


VECTORS = arrays("float64", 6, elements=st.floats(-10, 10, width=16))


@given(VECTORS, VECTORS)
def test_the_projection_is_the_papers(g, ref):
    g, ref = torch.as_tensor(g), torch.as_tensor(ref)
    parts = as_parts(g)
    project(parts, as_parts(ref))
    along, squared = sum(a * b for a, b in zip(g, ref, strict=True)), sum(b * b for b in ref)
    expected = g - (along / squared) * ref if along < 0 else g
    torch.testing.assert_close(torch.cat([part.flatten() for part in parts]), expected)


def test_by_hand():
    parts = as_parts(torch.tensor([1.0, 0, 0, 0, 0, -3]))
    project(parts, as_parts(torch.tensor([1.0, 0, 0, 0, 0, 1])))  # along -2, squared 2: g + ref
    assert torch.cat([part.flatten() for part in parts]).tolist() == [2, 0, 0, 0, 0, -2]


@pytest.mark.parametrize("broken", ["g", "reference"])
def test_what_is_not_finite_stays_so_for_the_scaler_to_see(broken):
    vectors = {"g": torch.ones(6), "reference": -torch.ones(6)}
    vectors[broken][0] = torch.inf
    parts = as_parts(vectors["g"])
    project(parts, as_parts(vectors["reference"]))
    assert not torch.isfinite(torch.cat([part.flatten() for part in parts])).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"train__accumulate": 4},
        {"train__checkpointing": True},
        {"norm": "bn"},
        {"norm": "bn", "train__forward": "separate"},
        {"train__freeze_blocks": 0, "train__label_smoothing": 0.1},
    ],
    ids=str,
)
def test_a_steps_gradient_is_the_projected_one(build_setup, changes):
    """In pieces, with activations computed twice, and with statistics of both halves or of each."""
    held = Held(build_setup, "agem:per_class=2", **{"train__lr": 0.02, **changes})
    targets, smoothing = held.batch.targets.tolist(), changes.get("train__label_smoothing", 0.0)
    if "train__forward" in changes:
        held.strategy.model.train()
        rows = torch.cat([held.strategy.model(part) for part in (held.batch.clips[:3], held.batch.clips[3:])])
    else:
        rows = held.outputs()
    halves = [
        mean(cross_entropy(rows[i], targets[i], range(4), smoothing) for i in place)
        for place in (range(3), range(3, 6))
    ]
    trained = list(held.strategy.model.parameters())
    g, ref = (
        torch.cat([part.flatten().double() for part in torch.autograd.grad(half, trained, retain_graph=True)])
        for half in halves
    )
    assert g @ ref < 0, "nothing is projected here"
    expected = g - (g @ ref) / (ref @ ref) * ref
    given_ = torch.cat([part.flatten().double() for part in held.gradients])
    assert (given_ - expected).norm() < 1e-4 * g.norm()
    assert (given_ - g).norm() > 1e-2 * g.norm()
    torch.testing.assert_close(held.loss, halves[0].detach().reshape(held.loss.shape), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_gradients_that_are_scaled_are_projected_alike(build_setup):
    def scale(strategy):
        strategy.scale_loss = lambda loss: loss * 1024

    plain, scaled = (Held(build_setup, "agem:per_class=2", prepare=prepare) for prepare in (None, scale))
    for one, other in zip(plain.gradients, scaled.gradients, strict=True):
        torch.testing.assert_close(one * 1024, other, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_gradients_that_agree_are_left(build_setup):
    """The same clips in both halves: the memory holds clips of the experience in training, too."""

    def share(strategy):
        strategy.exemplars.ids[:] = strategy.memory[:] = strategy.training_stream.experiences[1].train_ids[:4]

    held = Held(build_setup, "agem:per_class=2", prepare=share)
    targets, rows = held.batch.targets.tolist(), held.outputs()
    own, old = (mean(cross_entropy(rows[i], targets[i], range(4)) for i in place) for place in (range(3), range(3, 6)))
    along = sum((a * b).sum() for a, b in zip(held.differentiate_kept(own), held.differentiate_kept(old), strict=True))
    assert along > 0
    held.check(own)
