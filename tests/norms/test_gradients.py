"""The backward passes that norms write out, with and without the input's gradient, at any number of positions."""

import pytest
import torch

from clnorm.norms.context import take_auxiliary_loss
from clnorm.norms.kernels.passes import use_passes
from tests.norms.oracles import FIRST, oracle_of
from tests.norms.steps import STEPS, C, assert_same, build, draw, name_of, results_of, tell


def parameter_gradients(norm, x):
    """As those of `results_of`, of an input that requires no gradient."""
    y = norm(x)
    total, more = (y * draw(*y.shape, seed=30).to(y.dtype)).sum(), take_auxiliary_loss(norm)
    named = dict(norm.named_parameters())
    total = total if more is None else total + more
    if not named or not total.requires_grad:
        return {}
    found = torch.autograd.grad(total, list(named.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(named, found, strict=True))


def trained(spec, length, dtype):
    """A norm and its oracle after the same two batches, in training and in evaluation of what they have seen."""
    norm = build(spec).to(dtype)
    oracle = oracle_of(spec, build(spec).double())
    for seed, step in enumerate(STEPS[:2]):
        x = draw(6, length, C, seed=seed + 5).to(dtype)
        tell(norm.train(), step)
        results_of(norm, x)
        oracle.results(x.double(), step, training=True)
    return norm, oracle


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("spec", FIRST.values())
def test_parameters_have_the_same_gradients_where_the_input_needs_none(spec, length, training):
    if length == 1 and name_of(spec) == "in":  # refuses one position
        return
    norm, oracle = trained(spec, length, torch.float64)
    step, x = STEPS[1], draw(6, length, C, seed=1).double()
    tell(norm.train(training), step)
    exact = oracle.results(x, step, training=training)
    ours = parameter_gradients(norm, x)
    assert_same(ours, {name: exact[name] for name in ours}, 1e-6)
    if dict(norm.named_parameters()):
        assert ours


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("spec", FIRST.values())
def test_native_passes_equal_the_equations_in_float64(spec, length):
    if length == 1 and name_of(spec) == "in":
        return
    norm, oracle = trained(spec, length, torch.float32)
    step, x = STEPS[1], draw(6, length, C, seed=1)
    exact = oracle.results(x.double(), step, training=True)
    tell(norm.train(), step)
    with use_passes("native"):
        assert_same(results_of(norm, x), exact, 1e-4)
