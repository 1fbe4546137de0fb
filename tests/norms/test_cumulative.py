"""CumulativeBatchNorm against BatchNorm1d(momentum=None), and its new start in each experience."""

import pytest
import torch
from torch import nn

from clnorm.errors import ClnormError
from clnorm.norms import Statistics, StepContext, build_norm, provide_context
from clnorm.norms.calibrate import calibrate_norms

C = 12


def draw(*shape: int, seed: int = 0, mean: float = 0.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 1.5 + mean


def build(spec: str = "bn_cma", channels: int = C) -> nn.Module:
    norm = build_norm(spec, channels)
    with torch.no_grad():
        norm.weight.copy_(draw(channels, seed=1))
        norm.bias.copy_(draw(channels, seed=2))
    return norm


def oracle_of(norm: nn.Module) -> nn.BatchNorm1d:
    theirs = nn.BatchNorm1d(norm.num_channels, momentum=None).to(norm.weight.dtype)
    theirs.load_state_dict({name: norm.state_dict()[name] for name in theirs.state_dict()})
    return theirs


def context(experience: int, clips: int = 5) -> StepContext:
    return StepContext(torch.full((clips,), experience), experience, progress=0.5)


def gradients(norm: nn.Module, function, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    norm.zero_grad()
    y = function(x)
    y.backward(draw(*y.shape, seed=30).to(y))
    return [y.detach(), x.grad, norm.weight.grad.clone(), norm.bias.grad.clone()]


def last(function, x: torch.Tensor) -> torch.Tensor:
    return function(x.transpose(1, 2)).transpose(1, 2)


def assert_same(ours, theirs) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert (one.double() - other.double()).norm() / other.double().norm() < 1e-5


def assert_same_buffers(norm: nn.Module, theirs: nn.Module) -> None:
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(norm.get_buffer(name), buffer)


@pytest.mark.parametrize("reset", [False, True])
def test_equals_torch_over_training_and_evaluation(reset):
    ours = build(f"bn_cma:reset={reset},eps=1e-3")
    theirs = oracle_of(ours)
    theirs.eps = 1e-3
    for step in range(5):
        provide_context(ours, context(0) if reset else None)
        x = draw(5, 7, C, seed=step, mean=step)
        assert_same(gradients(ours, ours, x), gradients(theirs, lambda x: last(theirs, x), x))
        assert_same_buffers(ours, theirs)
    ours.eval(), theirs.eval()
    x = draw(3, 7, C, seed=9)
    assert_same(gradients(ours, ours, x), gradients(theirs, lambda x: last(theirs, x), x))
    assert_same_buffers(ours, theirs)


def test_reset_starts_anew_in_each_experience():
    ours = build("bn_cma:reset=true")
    for experience in range(3):
        theirs = oracle_of(build())
        for step in range(3):
            provide_context(ours, context(experience))
            x = draw(5, 7, C, seed=step, mean=10.0 * experience + step)
            ours(x), last(theirs, x)
            assert_same_buffers(ours, theirs)


@pytest.mark.parametrize("reset", [False, True])
def test_after_a_calibration_the_average_goes_on_or_with_reset_starts_anew(reset):
    norm, batches = build(f"bn_cma:reset={reset}"), [draw(5, 7, C, seed=seed, mean=10.0) for seed in range(3)]
    calibrate_norms(norm, batches)
    calibrated = torch.stack([batch.mean((0, 1)) for batch in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, calibrated)
    provide_context(norm, context(0))
    assert norm.running_mean.allclose(calibrated), "what is known stays until the first batch"
    first = draw(5, 7, C, seed=4)
    norm(first)
    own = first.mean((0, 1))
    torch.testing.assert_close(norm.running_mean, own if reset else (3 * calibrated + own) / 4)
    # One after training, as at the end of an experience, leaves the next one its start.
    contexts = [context(0)] * 3
    calibrate_norms(norm, batches, contexts=contexts)
    assert norm.num_batches_tracked == 3
    provide_context(norm, context(1))
    norm(first)
    torch.testing.assert_close(norm.running_mean, own if reset else (3 * calibrated + own) / 4)


def test_what_is_known_stays_until_the_first_batch_of_the_next_experience():
    norm = build("bn_cma:reset=true")
    provide_context(norm, context(0))
    norm(draw(5, 7, C, mean=3.0))
    mean = norm.running_mean.clone()
    provide_context(norm, context(1))
    assert torch.equal(norm.running_mean, mean)


def test_without_reset_experiences_do_not_matter():
    ours, theirs = build(), oracle_of(build())
    for step in range(4):
        provide_context(ours, context(step))
        x = draw(5, 7, C, seed=step, mean=step)
        ours(x), last(theirs, x)
    assert_same_buffers(ours, theirs)


def test_state_is_kept_in_the_middle_of_an_experience():
    norm = build("bn_cma:reset=true")
    for step in range(3):
        provide_context(norm, context(1))
        norm(draw(5, 7, C, seed=step))
    copy = build_norm("bn_cma:reset=true", C)
    copy.load_state_dict(norm.state_dict())
    for module in (norm, copy):
        provide_context(module, context(1))
        module(draw(5, 7, C, seed=9))
    assert copy.num_batches_tracked == 4
    assert all(torch.equal(copy.get_buffer(name), buffer) for name, buffer in norm.named_buffers())


def test_reset_needs_the_experience():
    norm = build("bn_cma:reset=true")
    assert norm.needs == ("experience",)
    assert build().needs == ()
    with pytest.raises(ClnormError, match="CumulativeBatchNorm needs experience of the batch"):
        norm(draw(5, 7, C))
    assert norm.eval()(draw(5, 7, C)).isfinite().all()


def test_weights_of_clips_in_the_statistics(weighing):
    norm = build()
    norm.statistics = weighing(1, 0, 1, 0, 0)
    provide_context(norm, context(0))
    x = draw(10, 7, C)
    norm(x)
    counted = x[[0, 1, 4, 5]].flatten(0, 1)
    torch.testing.assert_close(norm.running_mean, counted.mean(0))
    torch.testing.assert_close(norm.running_var, counted.var(0))
    norm.statistics = Statistics(update="none")
    provide_context(norm, context(0))
    norm(draw(10, 7, C, seed=3))
    torch.testing.assert_close(norm.running_mean, counted.mean(0))


@pytest.mark.parametrize("training", [True, False])
def test_gradients_equal_finite_differences(training):
    norm = build().double().train(training)
    assert torch.autograd.gradcheck(norm, (draw(3, 2, C).double().requires_grad_(),))


def test_precision_survives_large_means():
    norm, theirs = build(), oracle_of(build().double())
    x = draw(64, 37, C, mean=1500.0)
    assert_same(gradients(norm, norm, x), gradients(theirs, lambda x: last(theirs, x), x.double()))
    assert_same([norm.running_mean - 1500, norm.running_var], [theirs.running_mean.float() - 1500, theirs.running_var])


def test_compiled_equals_eager():
    norm, compiled = build("bn_cma:reset=true"), build("bn_cma:reset=true")
    torch.compiler.reset()  # compiled code counts per source line, for all tests of a process
    function = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    for step in range(4):
        provide_context(norm, context(step // 2))
        provide_context(compiled, context(step // 2))
        x = draw(5, 7, C, seed=step)
        assert_same(gradients(compiled, function, x), gradients(norm, norm, x))
        assert_same_buffers(compiled, norm)
    norm.eval(), compiled.eval()
    assert_same([function(x)], [norm(x)])
