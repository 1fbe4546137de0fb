"""LayerNorm, BatchNorm and GroupNorm against torch's own functions, and what every norm promises."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.errors import ClnormError, UserError
from clnorm.norms import build_norm
from clnorm.norms.kernels.moments import count_groups

ALL = ["ln", "bn", "gn:groups=4", "cn:groups=4"]
C = 12


def draw(*shape: int, seed: int = 0, mean: float = 0.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 1.5 + mean


def build(spec: str, channels: int = C) -> nn.Module:
    """A norm with an affine map that is not the identity."""
    norm = build_norm(spec, channels)
    with torch.no_grad():
        norm.weight.copy_(draw(channels, seed=1))
        norm.bias.copy_(draw(channels, seed=2))
    return norm


def output_and_gradients(norm: nn.Module, function, x: torch.Tensor) -> list[torch.Tensor]:
    """y, dy/dx, dy/dweight and dy/dbias for a fixed random dy."""
    x = x.clone().requires_grad_()
    norm.zero_grad()
    y = function(x)
    y.backward(draw(*y.shape, seed=30).to(y))
    return [y.detach(), x.grad, norm.weight.grad.clone(), norm.bias.grad.clone()]


def last(function, x: torch.Tensor) -> torch.Tensor:
    """`function` of channels-first (S, C, L), applied to (S, L, C)."""
    return function(x.transpose(1, 2)).transpose(1, 2)


def assert_same(ours: list[torch.Tensor], theirs: list[torch.Tensor], tolerance: float = 1e-5) -> None:
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        error = (ours_one.double() - theirs_one.double()).norm() / theirs_one.double().norm()
        assert error < tolerance


@pytest.mark.parametrize("shape", [(5, 7, C), (1, 7, C), (6, 1, C)])
def test_layer_norm_equals_torch(shape):
    norm, x = build("ln:eps=1e-3"), draw(*shape)
    theirs = output_and_gradients(norm, lambda x: F.layer_norm(x, (C,), norm.weight, norm.bias, 1e-3), x)
    assert_same(output_and_gradients(norm, norm, x), theirs)


@pytest.mark.parametrize("groups", [1, 3, 4, 12])
@pytest.mark.parametrize("samples", [1, 5])
def test_group_norm_equals_torch(groups, samples):
    norm, x = build(f"gn:groups={groups},eps=1e-3"), draw(samples, 7, C)
    theirs = output_and_gradients(
        norm, lambda x: last(lambda x: F.group_norm(x, groups, norm.weight, norm.bias, 1e-3), x), x
    )
    assert_same(output_and_gradients(norm, norm, x), theirs)


@pytest.mark.parametrize("momentum", [0.1, 1.0])
def test_batch_norm_equals_torch_over_training_and_evaluation(momentum):
    ours = build(f"bn:momentum={momentum}")
    theirs = nn.BatchNorm1d(C, momentum=momentum)
    theirs.load_state_dict(ours.state_dict())
    for step in range(4):
        x = draw(5, 7, C, seed=step, mean=step)
        assert_same(output_and_gradients(ours, ours, x), output_and_gradients(theirs, lambda x: last(theirs, x), x))
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(ours.get_buffer(name), buffer)
    assert ours.num_batches_tracked == 4
    ours.eval(), theirs.eval()
    x = draw(3, 7, C, seed=9)
    assert_same(output_and_gradients(ours, ours, x), output_and_gradients(theirs, lambda x: last(theirs, x), x))
    assert ours.num_batches_tracked == 4


@pytest.mark.parametrize("spread", [False, True], ids=["one mean", "a mean per channel"])
@pytest.mark.parametrize("spec", ["bn", "gn:groups=32"])
def test_precision_survives_large_means(spec, spread):
    """float32 against torch in float64; an E[x^2] - E[x]^2 would be off by a quarter here."""
    norm = build(spec, 96)
    means = draw(96, seed=4) * 1000 if spread else 1000.0
    x = draw(64, 37, 96) + means
    oracle = build(spec, 96).double()

    def function(x):
        if spec == "bn":
            return last(lambda x: F.batch_norm(x, None, None, oracle.weight, oracle.bias, True, eps=1e-5), x)
        return last(lambda x: F.group_norm(x, 32, oracle.weight, oracle.bias, 1e-5), x)

    assert_same(output_and_gradients(norm, norm, x), output_and_gradients(oracle, function, x.double()))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("spec", ALL)
def test_gradients_equal_finite_differences(spec, training):
    norm = build(spec).double().train(training)
    x = draw(3, 2, C).double().requires_grad_()
    assert torch.autograd.gradcheck(norm, (x,))


@pytest.mark.parametrize("spec", ALL)
def test_low_precision_input_is_computed_in_float32(spec):
    norm, x = build(spec), draw(4, 5, C, mean=20.0).to(torch.bfloat16)
    y = norm(x)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, build(spec)(x.float()).to(torch.bfloat16))


@pytest.mark.parametrize("spec", ALL)
def test_autocast_changes_nothing(spec):
    x = draw(4, 5, C, mean=20.0)
    with torch.autocast("cpu", torch.bfloat16):
        y = build(spec)(x)
    assert y.dtype == torch.float32
    assert torch.equal(y, build(spec)(x))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("spec", ALL)
def test_a_norm_of_low_precision_still_computes_in_float32(spec, training):
    norm = build(spec).to(torch.bfloat16).train(training)
    wide = build(spec).to(torch.bfloat16).float().train(training)
    x = draw(4, 5, C).to(torch.bfloat16)
    assert torch.equal(norm(x), wide(x.float()).to(torch.bfloat16))
    for name, buffer in norm.named_buffers():
        assert torch.equal(buffer, wide.get_buffer(name).to(buffer.dtype))


@pytest.mark.parametrize("spec", ["bn", "cn:groups=4"])
def test_two_forward_passes_before_one_backward(spec):
    norm, x, other = build(spec), draw(4, 5, C).requires_grad_(), draw(4, 5, C, seed=5)
    (norm(x).square().sum() + norm(other).sum()).backward()
    together = x.grad.clone()
    x.grad = None
    build(spec)(x).square().sum().backward()
    torch.testing.assert_close(together, x.grad)


@pytest.mark.parametrize("spec", ALL)
def test_state_dict_round_trip(spec):
    norm = build(spec)
    for seed in range(3):
        norm(draw(4, 5, C, seed=seed, mean=3.0))
    copy = build_norm(spec, C)
    copy.load_state_dict(norm.state_dict())
    x = draw(4, 5, C, seed=8)
    assert torch.equal(copy(x), norm(x))
    assert torch.equal(copy.eval()(x), norm.eval()(x))


@pytest.mark.parametrize("spec", ALL)
def test_evaluation_of_a_sample_does_not_depend_on_its_batch(spec):
    norm = build(spec)
    norm(draw(6, 5, C, mean=2.0))
    norm.eval()
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    x = draw(4, 5, C)
    torch.testing.assert_close(norm(x)[1:2], norm(x[1:2]))
    torch.testing.assert_close(norm(torch.cat([x, 100 + draw(3, 5, C, seed=6)]))[:4], norm(x))
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())


@pytest.mark.parametrize("spec", ["ln", "gn:groups=4"])
def test_per_sample_norms_are_the_same_in_training(spec):
    norm, x = build(spec), draw(4, 5, C)
    assert torch.equal(norm(x), norm.eval()(x))


@pytest.mark.parametrize("spec", ["bn", "cn:groups=4"])
def test_batch_statistics_need_more_than_one_value(spec):
    norm = build(spec)
    assert norm(draw(1, 5, C)).isfinite().all()
    with pytest.raises(UserError, match="one value per channel"):
        norm(draw(1, 1, C))
    assert norm.num_batches_tracked == 1
    assert norm.eval()(draw(1, 1, C)).isfinite().all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["gn", "cn"])
def test_groups_of_one_element_are_refused(name, training):
    norm = build(f"{name}:groups={C}").train(training)
    assert norm(draw(4, 2, C)).std() > 0
    with pytest.raises(UserError, match=r"12 groups of 12 channels at one position.*output is constant"):
        norm(draw(4, 1, C))


@pytest.mark.parametrize(("channels", "groups"), [(768, 32), (192, 32), (48, 16), (24, 8), (7, 1)])
def test_automatic_groups(channels, groups):
    assert count_groups("auto", channels) == groups
    assert build_norm("cn", channels).groups == build_norm("gn", channels).groups == groups


@pytest.mark.parametrize("name", ["gn", "cn"])
def test_groups_that_do_not_divide_the_channels(name):
    with pytest.raises(
        UserError, match=r"groups=32 does not divide 48 channels; legal: auto, 1, 2, 3, 4, 6, 8, 12, 16"
    ):
        build_norm(f"{name}:groups=32", 48)


@pytest.mark.parametrize("spec", ALL)
@pytest.mark.parametrize("shape", [(4, C), (2, 3, 4, C), (4, 5, C + 1)])
def test_inputs_of_another_shape_are_refused(spec, shape):
    with pytest.raises(ClnormError, match=r"got an input of shape .*legal: \(samples, positions, 12\)"):
        build(spec)(draw(*shape))


@pytest.mark.parametrize("spec", ALL)
def test_building_draws_no_random_numbers(spec):
    before = torch.get_rng_state()
    build_norm(spec, C)
    assert torch.equal(torch.get_rng_state(), before)
