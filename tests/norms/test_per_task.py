"""TaskBatchNorm against one BatchNorm1d for each experience, and what it must be told."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.errors import ClnormError
from clnorm.norms import StepContext, build_norm, provide_context

C, TASKS = 12, 4


def draw(*shape: int, seed: int = 0, mean: float = 0.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 1.5 + mean


def build(spec: str = f"bn_task:tasks={TASKS}", channels: int = C) -> nn.Module:
    norm = build_norm(spec, channels)
    with torch.no_grad():
        norm.weight.copy_(draw(channels, seed=1))
        norm.bias.copy_(draw(channels, seed=2))
    return norm


def context(*tasks: int) -> StepContext:
    return StepContext(torch.tensor(tasks), experience=max(tasks), progress=0.5)


class Separate(nn.Module):
    """k times BatchNorm1d with one weight and bias; clips are given as (S, L, C), with `tasks` for each sample."""

    def __init__(self, norm: nn.Module, *, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight, self.bias = (nn.Parameter(p.detach().clone()) for p in (norm.weight, norm.bias))
        like = {"eps": norm.eps, "momentum": momentum, "affine": False, "dtype": norm.weight.dtype}
        self.norms = nn.ModuleList(nn.BatchNorm1d(norm.num_channels, **like) for _ in range(TASKS))

    def forward(self, x: torch.Tensor, tasks: list[int]) -> torch.Tensor:
        each = len(x) // len(tasks)
        y = torch.zeros_like(x)
        for task in sorted(set(tasks)):
            rows = [row for row in range(len(x)) if tasks[row // each] == task]
            y[rows] = self.norms[task](x[rows].transpose(1, 2)).transpose(1, 2)
        return y * self.weight + self.bias

    def buffer(self, name: str) -> torch.Tensor:
        return torch.stack([norm.get_buffer(name) for norm in self.norms])


def gradients(norm: nn.Module, function, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    norm.zero_grad()
    y = function(x)
    y.backward(draw(*y.shape, seed=30).to(y))
    return [y.detach(), x.grad, norm.weight.grad.clone(), norm.bias.grad.clone()]


def assert_same(ours, theirs) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert (one.double() - other.double()).norm() / other.double().norm() < 1e-5


def assert_same_buffers(ours: nn.Module, theirs: Separate) -> None:
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(ours.get_buffer(name), theirs.buffer(name))


BATCHES = [[0, 0, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0], [3, 1, 0, 3, 1, 0], [3, 3, 3, 3, 3, 3]]


@pytest.mark.parametrize("shape", [(12, 7, C), (6, 7, C), (6, 1, C)])
def test_equals_separate_norms_over_training_and_evaluation(shape):
    ours = build(f"bn_task:tasks={TASKS},eps=1e-3,momentum=0.3")
    theirs = Separate(ours, momentum=0.3)
    for step, tasks in enumerate(BATCHES):
        x = draw(*shape, seed=step, mean=step)
        provide_context(ours, context(*tasks))
        assert_same(gradients(ours, ours, x), gradients(theirs, lambda x, tasks=tasks: theirs(x, tasks), x))
        assert_same_buffers(ours, theirs)
    ours.eval(), theirs.eval()
    tasks = [3, 0, 0, 1, 3, 1]
    provide_context(ours, context(*tasks))
    x = draw(*shape, seed=9)
    assert_same(gradients(ours, ours, x), gradients(theirs, lambda x: theirs(x, tasks), x))
    assert_same_buffers(ours, theirs)
    assert not ours.num_batches_tracked[2]


def test_statistics_of_absent_experiences_stay_to_the_bit():
    norm = build()
    provide_context(norm, context(0, 0))
    norm(draw(4, 7, C, mean=3.0))
    mean, var = norm.running_mean[0].clone(), norm.running_var[0].clone()
    provide_context(norm, context(1, 1))
    norm(draw(4, 7, C, seed=1))
    assert torch.equal(norm.running_mean[0], mean)
    assert torch.equal(norm.running_var[0], var)
    assert norm.num_batches_tracked.tolist() == [1, 1, 0, 0]


def test_weights_of_clips_in_the_statistics(weighing):
    norm = build(f"bn_task:tasks={TASKS},momentum=1")
    x = draw(8, 7, C)
    norm.statistics = weighing(1, 0, 3, 0)
    provide_context(norm, context(0, 1, 0, 1))
    plain = build()
    provide_context(plain, context(0, 1, 0, 1))
    assert torch.equal(norm(x), plain(x))
    weights = torch.tensor([1.0, 1, 3, 3]).repeat_interleave(7).unsqueeze(1) / 56
    values = x[[0, 1, 4, 5]].flatten(0, 1)
    mean = (weights * values).sum(0)
    torch.testing.assert_close(norm.running_mean[0], mean)
    biased = (weights * (values - mean).square()).sum(0)
    torch.testing.assert_close(norm.running_var[0], biased * 28 / 27)
    assert norm.num_batches_tracked.tolist() == [1, 0, 0, 0]
    assert torch.equal(norm.running_var[1], torch.ones(C))


def test_it_must_be_told_the_experiences_in_evaluation_too():
    norm = build()
    assert norm.oracle
    for training in (True, False):
        with pytest.raises(ClnormError, match="TaskBatchNorm needs tasks of the batch"):
            norm.train(training)(draw(4, 7, C))
    provide_context(norm, context(0, 0, 0))
    with pytest.raises(ClnormError, match="4 samples with a context of 3 clips"):
        norm.train()(draw(4, 7, C))


@pytest.mark.parametrize("wrong", [TASKS, -1])
def test_an_experience_out_of_range(wrong):
    with pytest.raises(ClnormError, match=rf"clips of experience {wrong}; legal: 0 to 3"):
        provide_context(build(), StepContext(torch.tensor([0, wrong]), 0, 0.0))


@pytest.mark.parametrize("given", ["before eval()", "after eval()"])
def test_an_experience_that_was_never_trained(given):
    norm = build()
    provide_context(norm, context(0, 0))
    norm(draw(4, 7, C))
    if given == "after eval()":
        norm.eval()
    provide_context(norm, context(0, 2))
    with pytest.raises(ClnormError, match="no statistics of experience 2, which it was never trained on"):
        norm.eval()(draw(4, 7, C))
    norm.train()(draw(4, 7, C))
    assert norm.eval()(draw(4, 7, C)).isfinite().all()


@pytest.mark.parametrize("weights", [(), (1, 1, 1, 0)])
def test_an_experience_with_a_single_value(weights, weighing):
    norm = build()
    tasks = (0, 0, 1, 1) if weights else (0, 0, 1)
    norm.statistics = weighing(*weights) if weights else norm.statistics
    provide_context(norm, context(*tasks))
    with pytest.raises(ClnormError, match="one value per channel of experience 1"):
        norm(draw(len(tasks), 1, C))
    assert norm(draw(len(tasks), 2, C)).isfinite().all()
    assert norm(draw(2 * len(tasks), 1, C)).isfinite().all()
    assert norm.running_var.isfinite().all()


def test_frozen_and_transductive():
    norm = build()
    provide_context(norm, context(0, 1))
    x = draw(4, 7, C)
    by_batch = norm(x)
    before = norm.running_mean.clone()
    assert not torch.equal(norm.eval()(x), by_batch)
    norm.transductive = True
    assert torch.equal(norm(x), by_batch)
    norm.transductive, norm.frozen = False, True
    assert torch.equal(norm(x), norm.train()(x))
    assert torch.equal(norm.running_mean, before)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_equal_finite_differences(training):
    norm = build().double()
    provide_context(norm, context(0, 1, 0))
    norm(draw(3, 2, C, seed=5).double())
    x = draw(3, 2, C).double().requires_grad_()
    assert torch.autograd.gradcheck(norm.train(training), (x,))


@pytest.mark.parametrize("training", [True, False])
def test_precision_survives_large_means(training):
    norm = build()
    tasks = [0, 3, 3, 1] * 16
    provide_context(norm, context(*tasks))
    with torch.no_grad():
        norm.running_mean.fill_(1500.0)
        norm.num_batches_tracked.fill_(1)
    theirs = Separate(norm.double())
    norm.float()
    for one in theirs.norms:
        one.running_mean.fill_(1500.0)
    norm.train(training), theirs.train(training)
    x = draw(64, 37, C, mean=1500.0)
    provide_context(norm, context(*tasks))
    assert_same(gradients(norm, norm, x), gradients(theirs, lambda x: theirs(x, tasks), x.double()))


def test_state_dict_round_trip():
    norm, other = build(), build_norm(f"bn_task:tasks={TASKS}", C)
    for step in range(2):
        provide_context(norm, context(step, 0))
        norm(draw(4, 7, C, seed=step))
    other.load_state_dict(norm.state_dict())
    x = draw(4, 7, C, seed=9)
    for training in (True, False):
        for module in (norm.train(training), other.train(training)):
            provide_context(module, context(1, 0))
        assert torch.equal(norm(x), other(x))
    assert all(torch.equal(other.get_buffer(name), buffer) for name, buffer in norm.named_buffers())


def test_a_momentum_of_none_averages_the_batches_of_each_experience():
    norm = build()
    norm.momentum = None
    batches = [draw(4, 7, C, seed=step, mean=step) for step in range(4)]
    for step, x in enumerate(batches):
        provide_context(norm, context(0, 0) if step < 3 else context(0, 1))
        norm(x)
    means = [*(x.mean((0, 1)) for x in batches[:3]), batches[3][:2].mean((0, 1))]
    torch.testing.assert_close(norm.running_mean[0], torch.stack(means).mean(0))
    torch.testing.assert_close(norm.running_mean[1], batches[3][2:].mean((0, 1)))


def test_compiled_equals_eager():
    norm, compiled = build(), build()
    torch.compiler.reset()  # compiled code counts per source line, for all tests of a process
    function = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    for step, tasks in enumerate(BATCHES):
        provide_context(norm, context(*tasks))
        provide_context(compiled, context(*tasks))
        x = draw(12, 7, C, seed=step)
        assert_same(gradients(compiled, function, x), gradients(norm, norm, x))
        torch.testing.assert_close(compiled.running_var, norm.running_var)
        assert torch.equal(compiled.num_batches_tracked, norm.num_batches_tracked)
    for module in (norm.eval(), compiled.eval()):
        provide_context(module, context(3, 0, 0, 1, 3, 1))
    assert_same([function(x)], [norm(x)])


def test_one_experience_is_batch_norm():
    norm, x = build(), draw(6, 7, C)
    provide_context(norm, context(2, 2, 2))
    expected = F.batch_norm(x.transpose(1, 2), None, None, norm.weight, norm.bias, True).transpose(1, 2)
    torch.testing.assert_close(norm(x), expected)
