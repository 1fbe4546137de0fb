"""TBBN against its definition with tensors of full size, reshaped and repeated, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.errors import ClnormError, UserError
from clnorm.norms import Statistics, StepContext, build_norm, provide_context

C, EPS, M = 6, 1e-3, 0.3


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(ratio: float = 1.0, momentum: float = M) -> nn.Module:
    norm = build_norm(f"tbbn:eps={EPS},momentum={momentum},ratio={ratio}", C)
    with torch.no_grad():
        norm.weight.copy_(draw(C, seed=1))
        norm.bias.copy_(draw(C, seed=2))
    return norm


def batch_of(tasks: list[int], experience: int) -> StepContext:
    return StepContext(torch.tensor(tasks), experience, 0.0)


def reshape_and_repeat(
    x: Tensor, weight: Tensor, bias: Tensor, memory: list[bool], r: int
) -> tuple[Tensor, Tensor, Tensor]:
    """y, and the average over parts of mean and biased variance; of (B, P, C) with r parts."""
    positions = x.shape[1]
    old = torch.tensor(memory)
    first = x.transpose(1, 2)  # (B, C, P)
    current = first[~old].reshape(-1, r * C, positions)
    joined = torch.cat([current, first[old].repeat(1, r, 1)])  # (B_c / r + B_p, rC, P)
    y = F.batch_norm(joined, None, None, weight.repeat(r), bias.repeat(r), True, eps=EPS)
    out = torch.empty_like(first)
    out[~old] = y[: len(current)].reshape(-1, C, positions)
    out[old] = y[len(current) :].reshape(-1, r, C, positions).mean(1)
    mean, var = (value.view(r, C).mean(0) for value in (joined.mean((0, 2)), joined.var((0, 2), correction=0)))
    return out.transpose(1, 2), mean, var


def gradients(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor]:
    dy = draw(*x.shape, seed=30).reshape(y.shape)
    return [y.detach(), *torch.autograd.grad(y, (x, weight, bias), dy.to(y.dtype))]


def compare(norm: nn.Module, x: Tensor, tasks: list[int], experience: int, r: int) -> tuple[Tensor, Tensor]:
    """Check output and gradients in training; the reference's moments."""
    provide_context(norm.train(), batch_of(tasks, experience))
    own = x.detach().float().requires_grad_()
    exact = own.detach().double().view(len(tasks), -1, C).requires_grad_()
    weight, bias = (value.detach().double().requires_grad_() for value in (norm.weight, norm.bias))
    y, mean, var = reshape_and_repeat(exact, weight, bias, [task < experience for task in tasks], r)
    theirs = gradients(y, exact, weight, bias)
    for ours_one, theirs_one in zip(gradients(norm(own), own, norm.weight, norm.bias), theirs, strict=True):
        assert (ours_one.reshape(theirs_one.shape) - theirs_one).norm() / theirs_one.norm() < 1e-5
    return mean.detach(), var.detach()


CASES = [
    # tasks of the clips, experience, ratio -> r
    ([2, 2, 2, 2, 0, 1, 0, 1], 2, 1.0, 2),
    ([3, 0, 3, 3, 1, 2, 3, 0], 3, 2.0, 4),  # in any order
    ([3, 0, 3, 3, 1, 2, 3, 0], 3, 1.0, 2),  # 3 is no common divisor of 4 and 4
    ([1, 1, 1, 1, 1, 1, 0, 0, 0], 1, 3.0, 3),
    ([1, 1, 1, 1, 1, 1, 0, 0, 0], 1, 2.0, 1),  # nor is 2 of 6 and 3
    ([1, 1, 1, 1, 1, 1, 0, 0, 0], 1, 50.0, 3),
    ([4, 4, 4, 4, 0, 0], 4, 0.5, 2),
    ([4, 4, 4, 4, 4, 0], 4, 1.0, 1),
    ([4, 4, 0, 1, 2, 3, 3, 2], 4, 1.0, 2),  # more memory than current clips
]


@pytest.mark.parametrize(("tasks", "experience", "ratio", "r"), CASES)
def test_training_equals_reshape_and_repeat(tasks, experience, ratio, r):
    norm = build(ratio)
    for per_clip, length in ((1, 5), (2, 3), (3, 1)):
        compare(norm, draw(per_clip * len(tasks), length, C) * 2 + 1, tasks, experience, r)


def test_running_statistics_over_training_and_evaluation():
    norm, mean, var = build(), torch.zeros(C).double(), torch.ones(C).double()
    for step, (tasks, experience, _, _) in enumerate(CASES):
        norm.ratio, r = CASES[step][2], CASES[step][3]
        x = draw(2 * len(tasks), 3, C, seed=step) * (1 + step) + step
        batch_mean, batch_var = compare(norm, x, tasks, experience, r)
        values = x.shape[0] * x.shape[1]
        mean += M * (batch_mean - mean)
        var += M * (batch_var * values / (values - 1) - var)
        torch.testing.assert_close(norm.running_mean.double(), mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(norm.running_var.double(), var, rtol=1e-5, atol=1e-6)
        x = draw(4, 5, C, seed=40).float()
        expected = F.batch_norm(
            x.transpose(1, 2), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=EPS
        ).transpose(1, 2)
        torch.testing.assert_close(norm.eval()(x), expected)
    assert norm.num_batches_tracked == len(CASES)


@pytest.mark.parametrize(
    ("tasks", "experience"),
    [([0, 0, 0, 0], 0), ([2, 2, 2, 2], 2), ([0, 1, 0, 1], 2)],
    ids=["first experience", "no memory", "nothing but memory"],
)
def test_without_memory_or_without_current_clips_it_is_batch_norm(tasks, experience):
    norm, plain = build(5.0), nn.BatchNorm1d(C, eps=EPS, momentum=M)
    plain.load_state_dict(norm.state_dict())
    norm.receive_context(batch_of(tasks, experience))
    for step in range(2):
        x = (draw(8, 5, C, seed=step) + 50).float()
        torch.testing.assert_close(norm(x), plain(x.transpose(1, 2)).transpose(1, 2))
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(norm.get_buffer(name), buffer)


@pytest.mark.parametrize("spread", [False, True], ids=["one mean", "a mean per channel"])
def test_precision_survives_large_means(spread):
    x = draw(16, 9, C) + (1000 * draw(C, seed=4) if spread else 1000)
    compare(build(2.0), x, [3, 0, 3, 3, 1, 2, 3, 0], 3, 4)


def test_precision_survives_parts_that_are_far_apart():
    """Two clips in a part of their own, 1000 deviations from all others: the other part's variance stays exact."""
    x = draw(8, 9, C)
    x[[1, 3]] += 1000
    compare(build(1.0), x, [2, 2, 2, 2, 0, 1, 0, 1], 2, 2)


def test_gradients_equal_finite_differences():
    norm, x = build(2.0).double(), draw(6, 2, C).requires_grad_()
    norm.receive_context(batch_of([1, 0, 1, 0, 1, 1], 1))

    def function(x, weight, bias):
        return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, (x,))

    leaves = [parameter.detach().clone().requires_grad_() for parameter in norm.parameters()]
    assert torch.autograd.gradcheck(function, (x, *leaves))


def test_weights_of_clips_go_to_the_running_statistics_alone(weighing):
    tasks, x = [2, 2, 0, 1], draw(8, 5, C).float()
    norm, plain = build(momentum=1.0), build(momentum=1.0)
    norm.statistics = weighing(1, 0, 1, 0)
    norm.receive_context(batch_of(tasks, 2))
    plain.receive_context(batch_of(tasks, 2))
    torch.testing.assert_close(norm(x), plain(x))
    taken = x[[0, 1, 4, 5]].flatten(0, 1)
    torch.testing.assert_close(norm.running_mean, taken.mean(0))
    torch.testing.assert_close(norm.running_var, taken.var(0))


def test_frozen_transductive_and_untracked():
    norm, x = build(), draw(4, 5, C).float()
    norm.statistics = Statistics(update="none")
    norm.receive_context(batch_of([2, 2, 0, 1], 2))
    balanced = norm(x)
    assert norm.num_batches_tracked == 0
    by_batch = F.batch_norm(x.flatten(0, 1), None, None, norm.weight, norm.bias, True, eps=EPS).view(x.shape)
    assert not torch.allclose(balanced, by_batch, atol=1e-2)
    norm.frozen = True
    torch.testing.assert_close(norm(x), norm.eval()(x))
    norm.transductive = True
    torch.testing.assert_close(norm(x), by_batch)
    assert norm.num_batches_tracked == 0


def test_state_dict_round_trip():
    norm, copy = build(), build()
    for step in range(4):
        if step == 2:
            copy.load_state_dict(norm.state_dict())
        for one in (norm, copy) if step >= 2 else (norm,):
            one.receive_context(batch_of([2, 2, 0, 1], 2))
            one(draw(4, 5, C, seed=step).float())
    assert all(torch.equal(buffer, copy.get_buffer(name)) for name, buffer in norm.named_buffers())


def test_training_needs_a_context_and_evaluation_does_not():
    norm, x = build(), draw(4, 5, C).float()
    with pytest.raises(ClnormError, match="TaskBalancedBatchNorm needs tasks, experience of the batch"):
        norm(x)
    assert norm.eval()(x).isfinite().all()


def test_a_context_of_another_batch_is_refused():
    norm = build()
    norm.receive_context(batch_of([2, 2, 2, 0, 0, 0], 2))
    with pytest.raises(ClnormError, match="got 8 samples with a context of 6 clips"):
        norm(draw(8, 5, C).float())


def test_one_value_per_channel_is_refused():
    norm = build()
    norm.receive_context(batch_of([0], 0))
    with pytest.raises(UserError, match="one value per channel"):
        norm(draw(1, 1, C).float())


def test_low_precision_is_computed_in_float32():
    norm, wide = build().to(torch.bfloat16), build().to(torch.bfloat16).float()
    x = draw(4, 5, C).to(torch.bfloat16)
    for one in (norm, wide):
        one.receive_context(batch_of([2, 2, 0, 1], 2))
    assert torch.equal(norm(x), wide(x.float()).to(torch.bfloat16))


def test_compiled_equals_eager_with_other_numbers_of_memory_clips():
    eager, other = build(2.0), build(2.0)
    compiled = torch.compile(other, fullgraph=True, backend="aot_eager")
    for step, tasks in enumerate(([0] * 8, [2, 2, 2, 2, 0, 1, 0, 1], [2, 0, 2, 2, 2, 2, 1, 2], [2] * 8)):
        results = []
        for norm, function in ((eager, eager), (other, compiled)):
            norm.receive_context(batch_of(tasks, max(tasks)))
            x = draw(16, 5, C, seed=step).float().requires_grad_()
            results.append(gradients(function(x), x, norm.weight, norm.bias))
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    for name, buffer in eager.named_buffers():
        torch.testing.assert_close(other.get_buffer(name), buffer)
