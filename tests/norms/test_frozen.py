"""FrozenBatchNorm: statistics of before training, statistics that are missing, and parameters that stay."""

import copy

import pytest
import torch
from torch import nn

from clnorm.errors import ClnormError
from clnorm.norms import StepContext, build_norm, provide_context, swap_norms
from clnorm.norms.calibrate import calibrate_norms
from tests.norms import oracles
from tests.norms.steps import C, Step, assert_same, build, draw, results_of

BASE, PRETRAINED = "bn_frozen:source=base", "bn_frozen:source=pretrained"


def build_calibrated(spec: str = PRETRAINED) -> nn.Module:
    norm = build(spec)
    calibrate_norms(norm, [draw(5, 7, C, seed=seed, mean=seed) for seed in range(3)])
    return norm


def context(experience: int) -> StepContext:
    return StepContext(torch.full((5,), experience), experience, progress=0.5)


@pytest.mark.parametrize("experience", [None, 0, 2])
@pytest.mark.parametrize("training", [True, False])
def test_pretrained_always_goes_by_its_running_statistics(training, experience):
    norm, x = build_calibrated(f"{PRETRAINED},eps=1e-3").train(training), draw(5, 7, C, seed=9, mean=4.0)
    before, oracle = copy.deepcopy(norm.state_dict()), oracles.Frozen(norm, eps=1e-3)
    provide_context(norm, None if experience is None else context(experience))
    expected = oracle.results(x, Step((0,) * 5, 0, 0.0), training=False)
    assert_same(results_of(norm, x), expected)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_statistics_that_were_never_estimated():
    norm, x = build(PRETRAINED), draw(5, 7, C)
    for module in (norm.train(), copy.deepcopy(norm).eval()):
        provide_context(module, context(0))
        with pytest.raises(ClnormError, match=r"never estimated; use --set model\.calibrate=true"):
            module(x)
    estimated = build_calibrated()
    estimated(x)
    estimated.load_state_dict(norm.state_dict())
    with pytest.raises(ClnormError, match="never estimated"):
        estimated(x)
    late = build(BASE)
    assert late.eval()(x).isfinite().all()
    provide_context(late, context(1))
    with pytest.raises(ClnormError, match="never estimated; train experience 0 first"):
        late.train()(x)


def test_base_needs_the_experience_in_training():
    norm = build(BASE)
    assert norm.needs == ("experience",)
    assert build(PRETRAINED).needs == ()
    with pytest.raises(ClnormError, match="FrozenBatchNorm needs experience of the batch"):
        norm(draw(5, 7, C))
    provide_context(norm, context(0))
    norm(draw(5, 7, C))
    provide_context(norm, None)
    with pytest.raises(ClnormError, match="needs experience"):
        norm(draw(5, 7, C))


@pytest.mark.parametrize(("source", "trains"), [("base", [True, False, False]), ("pretrained", [False] * 3)])
def test_without_affine_weight_and_bias_stay_too(source, trains):
    norm = build(f"bn_frozen:source={source},affine=false")
    assert norm.weight.requires_grad == norm.bias.requires_grad == (source == "base")
    calibrate_norms(norm, [draw(5, 7, C)])
    for experience, expected in enumerate(trains):
        provide_context(norm, context(experience))
        norm.train().zero_grad()
        norm(draw(5, 7, C).requires_grad_()).square().sum().backward()
        assert norm.weight.requires_grad == norm.bias.requires_grad == expected
        assert (norm.weight.grad is not None) == (norm.bias.grad is not None) == expected


@pytest.mark.parametrize("source", ["base", "pretrained"])
def test_with_affine_weight_and_bias_go_on_training(source):
    norm = build_calibrated(f"bn_frozen:source={source}")
    provide_context(norm, context(3))
    norm(draw(5, 7, C)).square().sum().backward()
    assert norm.weight.grad.any()
    assert norm.bias.grad.any()


def test_parameters_frozen_by_others_stay_so():
    norm = build(f"{BASE},affine=false").requires_grad_(False)
    provide_context(norm, context(0))
    assert not norm.weight.requires_grad


def test_a_swap_does_not_let_a_fixed_affine_map_train():
    model = nn.Sequential(nn.LayerNorm(C))
    swap_norms(model, f"{PRETRAINED},affine=false")
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.slow
def test_compiled_equals_eager_where_weight_and_bias_stop_training():
    norm, compiled = build(f"{BASE},affine=false"), build(f"{BASE},affine=false")
    torch.compiler.reset()  # compiled code counts per source line, for all tests of a process
    function = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    for step in range(4):
        provide_context(norm, context(step // 2))
        provide_context(compiled, context(step // 2))
        x = draw(5, 7, C, seed=step)
        results = []
        for call in (norm, function):
            leaf = x.clone().requires_grad_()
            y = call(leaf)
            y.backward(draw(*y.shape, seed=30))
            results.append({"y": y.detach(), "x": leaf.grad})
        assert_same(*results)
    torch.testing.assert_close(compiled.running_mean, norm.running_mean)
    assert compiled.num_batches_tracked == 2
    assert torch.equal(norm.eval()(x), torch.compile(norm, fullgraph=True, backend="aot_eager")(x))


@pytest.mark.slow
def test_compiled_pretrained_statistics_need_no_context():
    norm = build_norm(PRETRAINED, C)
    norm.load_state_dict(build_calibrated().state_dict())
    x = draw(5, 7, C)
    torch.compiler.reset()
    y = torch.compile(norm, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(y, build_calibrated()(x))
