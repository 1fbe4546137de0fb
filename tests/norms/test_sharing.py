"""Batch statistics over processes that share a batch, against the same norm on the whole batch, in float64."""

import copy

import pytest
import torch

from clnorm.errors import ClnormError
from clnorm.norms import RunningNorm, StepContext, provide_context
from clnorm.norms.sites.build import build_norm
from clnorm.ranks import Part, Ranks
from tests.norms.threads import in_threads

CHANNELS, CLIPS = 6, 6
TASKS = torch.tensor([2, 2, 2, 2, 0, 1])
SPECS = [
    "bn",
    "bn:update=balanced",
    "bn_cma:reset=true",
    "bn_frozen",
    "bn_task",
    "brn:begin=0,end=0.1",
    "sn",
    "cn:groups=2",
    "cn:update=current_only",
    "tbbn",
    "adab2n",
    "adab2n:update=memory_only",
    "prepbn",
]


def build(spec):
    """The same norm each time, also in threads side by side, between which torch's one generator would be torn."""
    generator = torch.Generator().manual_seed(0)
    norm = build_norm(spec, CHANNELS).double()
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.add_(torch.rand(parameter.shape, generator=generator, dtype=parameter.dtype))
        norm.running_mean.add_(0.1)
    return norm


def pass_batch(norm, x, target, context, share=1.0):
    """Outputs and gradients of the mean over clips of a loss, with what the norm adds, times `share`."""
    provide_context(norm, context)
    x = x.clone().requires_grad_()
    y = norm(x)
    loss = ((y - target) ** 2).mean() + (y * target).sin().mean()
    if getattr(norm, "auxiliary_loss", None) is not None:
        loss = loss + norm.auxiliary_loss
    (loss * share).backward()
    return y.detach(), x.grad, {name: p.grad for name, p in norm.named_parameters()}, dict(norm.named_buffers())


def context_of(part=None):
    first = 0 if part == "first" else 2
    tasks = torch.zeros_like(TASKS) if part == "first" else TASKS
    return StepContext(tasks, first, 0.3, has_memory=first > 0, part=None if isinstance(part, str) else part)


@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("spec", SPECS)
def test_processes_compute_what_one_does(spec, size, length):
    """Also where parts are uneven, and where two of eight processes have no clip of their own."""
    samples = 2 if length > 1 else 4
    torch.manual_seed(1)
    x = torch.randn(CLIPS * samples, length, CHANNELS, dtype=torch.float64) + 3
    target = torch.randn_like(x)
    whole, norm = build(spec), build(spec)
    frozen = spec == "bn_frozen"
    context = context_of("first" if frozen else None)
    expected = pass_batch(whole, x, target, context)

    def one(ranks):
        part, mine = Part(ranks, CLIPS), copy.deepcopy(norm)
        cut = [part.take(of_all.view(CLIPS, samples, length, -1)).flatten(0, 1) for of_all in (x, target)]
        given = StepContext(context.tasks, context.experience, 0.3, has_memory=context.has_memory, part=part)
        return pass_batch(mine, *cut, given, share=part.own / CLIPS)

    results, _ = in_threads(size, one)
    for rank, (y, dx, _, buffers) in enumerate(results):
        part = Part(Ranks(rank, size), CLIPS)
        mine = [part.take(of_all.view(CLIPS, samples, length, -1)).flatten(0, 1) for of_all in expected[:2]]
        if part.own:
            torch.testing.assert_close(y, mine[0], rtol=1e-9, atol=1e-10)
            torch.testing.assert_close(dx, mine[1], rtol=1e-8, atol=1e-10)
        else:
            assert torch.count_nonzero(dx) == 0
        for name, buffer in buffers.items():
            torch.testing.assert_close(buffer, expected[3][name], rtol=1e-10, atol=1e-12, msg=name)
    for name, gradient in expected[2].items():
        parts = [grads[name] for _, _, grads, _ in results]
        if gradient is None:
            assert parts == [None] * size
        else:
            torch.testing.assert_close(sum(parts), gradient, rtol=1e-8, atol=1e-10, msg=name)


def test_means_far_from_zero_keep_their_digits():
    torch.manual_seed(1)
    x = torch.randn(8, 5, CHANNELS) + 3e4
    expected = build("bn").float()
    provide_context(expected, StepContext(torch.zeros(8, dtype=torch.long), 0, 0.0))
    y = expected(x)

    def one(ranks):
        part, norm = Part(ranks, 8), build("bn").float()
        provide_context(norm, StepContext(torch.zeros(8, dtype=torch.long), 0, 0.0, part=part))
        return norm(part.take(x))

    for rank, mine in enumerate(in_threads(2, one)[0]):
        torch.testing.assert_close(mine, y[rank::2], rtol=1e-4, atol=1e-4)


def test_parts_of_their_own_exchange_nothing():
    x = torch.randn(CLIPS, 3, CHANNELS, dtype=torch.float64)

    def one(ranks):
        norm, part = build("bn:parts=2,update=balanced"), Part(ranks, CLIPS)
        provide_context(norm, context_of(part))
        return norm(part.take(x))

    results, board = in_threads(2, one)
    assert board.exchanges == 0
    for rank, y in enumerate(results):
        alone = build("bn:update=balanced")
        provide_context(alone, StepContext(TASKS[rank::2], 2, 0.3, has_memory=True))
        assert torch.equal(y, alone(x[rank::2]))


@pytest.mark.parametrize("spec", ["bn", "cn", "adab2n"])
def test_frozen_statistics_and_evaluation_exchange_nothing(spec):
    x = torch.randn(CLIPS, 3, CHANNELS, dtype=torch.float64)

    def one(ranks):
        norm, part = build(spec + ":freeze_after=1"), Part(ranks, CLIPS)
        provide_context(norm, context_of(part))
        norm(part.take(x))
        norm.eval()
        return norm(part.take(x))

    assert in_threads(2, one)[1].exchanges == 0


def test_a_norm_that_computes_its_own_moments_is_refused():
    class Own(RunningNorm):
        def by_batch(self, x):
            var, mean = torch.var_mean(x, (0, 1), correction=0)
            return (x - mean) / var.sqrt(), mean, var

        def by_running(self, x):
            return x

    norm = Own(CHANNELS)
    provide_context(norm, context_of(Part(Ranks(0, 2), CLIPS)))
    with pytest.raises(ClnormError, match="several processes cannot share"):
        norm(torch.randn(3, 3, CHANNELS))


def test_a_batch_of_one_value_on_all_processes_is_refused_and_one_on_each_is_not():
    x = torch.randn(2, 1, CHANNELS, dtype=torch.float64)

    def one(ranks):
        norm, part = build("bn"), Part(ranks, 2)
        provide_context(norm, StepContext(torch.zeros(2, dtype=torch.long), 0, 0.0, part=part))
        return norm(part.take(x))

    whole = build("bn")
    provide_context(whole, StepContext(torch.zeros(2, dtype=torch.long), 0, 0.0))
    torch.testing.assert_close(torch.cat(in_threads(2, one)[0]), whole(x))


def test_norms_without_running_statistics_are_told_of_their_own_clips():
    norm = build_norm("ln", CHANNELS)
    provide_context(norm, context_of(Part(Ranks(1, 2), CLIPS)))
    assert norm.context.tasks.tolist() == TASKS[1::2].tolist()
    assert norm.context.part is None
