"""FrozenBatchNorm against BatchNorm1d in training and evaluation mode, and what it keeps still."""

import copy

import pytest
import torch
from torch import nn

from clnorm.errors import ClnormError
from clnorm.norms import StepContext, build_norm, provide_context, swap_norms
from clnorm.norms.calibrate import calibrate_norms

C = 12
BASE, PRETRAINED = "bn_frozen:source=base", "bn_frozen:source=pretrained"


def draw(*shape: int, seed: int = 0, mean: float = 0.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 1.5 + mean


def build(spec: str, channels: int = C) -> nn.Module:
    norm = build_norm(spec, channels)
    with torch.no_grad():
        norm.weight.copy_(draw(channels, seed=1))
        norm.bias.copy_(draw(channels, seed=2))
    return norm


def build_calibrated(spec: str = PRETRAINED) -> nn.Module:
    norm = build(spec)
    calibrate_norms(norm, [draw(5, 7, C, seed=seed, mean=seed) for seed in range(3)])
    return norm


def oracle_of(norm: nn.Module) -> nn.BatchNorm1d:
    theirs = nn.BatchNorm1d(norm.num_channels, eps=norm.eps, momentum=norm.momentum).to(norm.weight.dtype)
    theirs.load_state_dict(norm.state_dict())
    return theirs


def context(experience: int) -> StepContext:
    return StepContext(torch.full((5,), experience), experience, progress=0.5)


def gradients(norm: nn.Module, function, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    norm.zero_grad()
    y = function(x)
    y.backward(draw(*y.shape, seed=30).to(y))
    return [y.detach(), x.grad, norm.weight.grad.clone(), norm.bias.grad.clone()]


def last(function, x: torch.Tensor) -> torch.Tensor:
    return function(x.transpose(1, 2)).transpose(1, 2)


def assert_same(ours, theirs, tolerance: float = 1e-5) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert (one.double() - other.double()).norm() / other.double().norm() < tolerance


def buffers(norm: nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in norm.named_buffers()}


def assert_kept(norm: nn.Module, before: dict[str, torch.Tensor]) -> None:
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())


def test_base_trains_as_batch_norm_then_by_its_running_statistics():
    ours = build(f"{BASE},eps=1e-3,momentum=0.3")
    theirs = oracle_of(ours)
    for step in range(6):
        experience = step // 2
        provide_context(ours, context(experience))
        ours.train()
        theirs.train(experience == 0)
        if step == 2:
            before = buffers(ours)
        x = draw(5, 7, C, seed=step, mean=step)
        assert_same(gradients(ours, ours, x), gradients(theirs, lambda x: last(theirs, x), x))
        for name, buffer in theirs.named_buffers():
            torch.testing.assert_close(ours.get_buffer(name), buffer)
    assert_kept(ours, before)
    assert ours.num_batches_tracked == 2
    ours.eval()
    assert_same(gradients(ours, ours, x), gradients(theirs, lambda x: last(theirs, x), x))


@pytest.mark.parametrize("experience", [None, 0, 2])
@pytest.mark.parametrize("training", [True, False])
def test_pretrained_always_goes_by_its_running_statistics(training, experience):
    ours = build_calibrated(f"{PRETRAINED},eps=1e-3")
    before, theirs = buffers(ours), oracle_of(ours).eval()
    provide_context(ours, None if experience is None else context(experience))
    ours.train(training)
    x = draw(5, 7, C, seed=9, mean=4.0)
    assert_same(gradients(ours, ours, x), gradients(theirs, lambda x: last(theirs, x), x))
    assert_kept(ours, before)


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


def test_state_is_kept_across_the_freeze():
    norm = build(f"{BASE},affine=false")
    for step in range(3):
        provide_context(norm, context(0))
        norm(draw(5, 7, C, seed=step, mean=step))
    other = build_norm(f"{BASE},affine=false", C)
    other.load_state_dict(norm.state_dict())
    x = draw(5, 7, C, seed=9)
    for experience in (0, 1):
        provide_context(norm, context(experience))
        provide_context(other, context(experience))
        assert torch.equal(norm(x), other(x))
        assert_kept(norm, buffers(other))


def test_weights_of_clips_in_the_statistics(weighing):
    norm = build(f"{BASE},momentum=1")
    norm.statistics = weighing(1, 0, 1, 0, 0)
    provide_context(norm, context(0))
    x = draw(10, 7, C)
    norm(x)
    torch.testing.assert_close(norm.running_mean, x[[0, 1, 4, 5]].mean((0, 1)))
    torch.testing.assert_close(norm.running_var, x[[0, 1, 4, 5]].flatten(0, 1).var(0))


@pytest.mark.parametrize("experience", [0, 1])
def test_gradients_equal_finite_differences(experience):
    norm = build(BASE).double()
    provide_context(norm, context(0))
    norm(draw(5, 2, C, seed=5).double())
    provide_context(norm, context(experience))
    assert torch.autograd.gradcheck(norm, (draw(5, 2, C).double().requires_grad_(),))


@pytest.mark.parametrize(("experience", "tolerance"), [(0, 1e-5), (1, 1e-4)])
def test_precision_survives_large_means(experience, tolerance):
    """By running statistics it is as good as torch's kernel for rows, which does not centre x first."""
    norm = build(BASE)
    norm.running_mean.fill_(1500.0), norm.running_var.fill_(2.0), norm.num_batches_tracked.fill_(1)
    theirs = oracle_of(norm).double().train(experience == 0)
    provide_context(norm, context(experience))
    x = draw(65, 37, C, mean=1500.0)
    assert_same(gradients(norm, norm, x), gradients(theirs, lambda x: last(theirs, x), x.double()), tolerance)


def test_compiled_equals_eager():
    norm, compiled = build(f"{BASE},affine=false"), build(f"{BASE},affine=false")
    torch.compiler.reset()  # compiled code counts per source line, for all tests of a process
    function = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    for step in range(4):
        provide_context(norm, context(step // 2))
        provide_context(compiled, context(step // 2))
        x = draw(5, 7, C, seed=step)
        results = []
        for call in (norm, function):
            inputs = x.clone().requires_grad_()
            y = call(inputs)
            y.backward(draw(*y.shape, seed=30))
            results.append([y.detach(), inputs.grad])
        assert_same(*results)
    torch.testing.assert_close(compiled.running_mean, norm.running_mean)
    assert compiled.num_batches_tracked == 2
    assert torch.equal(norm.eval()(x), torch.compile(norm, fullgraph=True, backend="aot_eager")(x))


def test_compiled_pretrained_statistics_need_no_context():
    norm = build_norm(PRETRAINED, C)
    norm.load_state_dict(build_calibrated().state_dict())
    x = draw(5, 7, C)
    torch.compiler.reset()
    y = torch.compile(norm, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(y, build_calibrated()(x))
