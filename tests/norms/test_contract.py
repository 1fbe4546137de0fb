"""What every norm of the catalogue promises, each against its equations in oracles.py."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from clnorm.catalogue import NORMS
from clnorm.errors import ClnormError
from clnorm.norms import RunningNorm, Statistics, build_norm
from tests.norms import oracles
from tests.norms.oracles import FIRST, ORACLES, oracle_of
from tests.norms.steps import (
    STEPS,
    C,
    Step,
    assert_kept,
    assert_same,
    buffers,
    build,
    draw,
    name_of,
    results_of,
    tell,
    train,
)

SHARES_OF_FLOAT32 = {"brn", "prepbn", "bn_cma", "bn_task"}  # of the run, or of a batch in the statistics
REFUSES_ONE_POSITION = {"in", "gn:groups=12,eps=1e-3", "cn:groups=12"}


TRACKED = {"bn_cma:reset=true,eps=1e-3": 2, FIRST["bn_frozen"]: 1, FIRST["bn_task"]: [3, 2, 0, 2]}  # else every step


def assert_same_statistics(norm: nn.Module, oracle: oracles.Oracle, tolerance: float) -> None:
    if isinstance(norm, RunningNorm):
        ours = {"mean": norm.running_mean, "var": norm.running_var}
        assert_same(ours, dict(zip(ours, oracle.running, strict=True)), tolerance)


def test_every_norm_of_the_catalogue_is_here():
    assert set(FIRST) == set(NORMS.names())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=["32", "64"])
@pytest.mark.parametrize("shape", [(6, 7), (12, 3), (6, 1), (12, 1)], ids=str)
@pytest.mark.parametrize("spec", ORACLES)
def test_training_and_evaluation_equal_the_equations(spec, shape, dtype, tolerance):
    """Outputs, all gradients and the running statistics, batch after batch."""
    if shape[1] == 1 and {spec, name_of(spec)} & REFUSES_ONE_POSITION:
        return
    if name_of(spec) in SHARES_OF_FLOAT32:
        tolerance = max(tolerance, 1e-6)
    norm = build(spec).to(dtype)
    oracle = oracle_of(spec, norm)
    for seed, step in enumerate(STEPS):
        x = (draw(*shape, C, seed=seed) * (1 + seed) + seed).to(dtype)
        tell(norm.train(), step)
        assert_same(results_of(norm, x), oracle.results(x, step, training=True), tolerance)
        assert_same_statistics(norm, oracle, tolerance)
        tell(norm.eval(), step)
        before = buffers(norm)
        assert_same(results_of(norm, x), oracle.results(x, step, training=False), tolerance)
        assert_kept(norm, before)
    if isinstance(norm, RunningNorm):
        assert norm.num_batches_tracked.tolist() == TRACKED.get(spec, len(STEPS))


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("spec", ORACLES)
def test_batches_of_one_and_two_clips(spec, samples):
    norm = build(spec)
    oracle, x, step = oracle_of(spec, norm), draw(samples, 7, C, mean=2.0), Step((0,) * samples, 0, 0.4)
    tell(norm, step)
    assert_same(results_of(norm, x), oracle.results(x, step, training=True))


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("spec", FIRST.values())
def test_gradients_equal_finite_differences(spec, training):
    norm = train(build(spec).double())
    if training and norm.stop_gradient:
        return
    named = dict(norm.named_parameters())

    def function(x, *values):
        y = torch.func.functional_call(norm, dict(zip(named, values, strict=True)), (x,))
        loss = getattr(norm, "auxiliary_loss", None)
        return y if loss is None else (y, loss)

    leaves = [value.detach().clone().requires_grad_() for value in named.values()]
    for step in (STEPS[0].take([0, 1, 2]), STEPS[1].take([0, 1, 4])):
        if isinstance(norm, RunningNorm):
            norm.statistics = Statistics(update="none")  # or they would move in between
        tell(norm.train(training), step)
        assert torch.autograd.gradcheck(function, (draw(len(step), 2, C, seed=9).double().requires_grad_(), *leaves))


MEANS = {"one mean": 1000.0, "a mean per channel": draw(C, seed=4) * 1000}
NOT_EXACT = {
    "dyt": "saturates",
    "derf": "saturates",
    "identity": "computes nothing",
    # torch's own layer_norm is off where all channels have one mean, and what has all of a sample in one group is LN.
    "ln": "torch's own",
    "prepbn": "has its own test",
}


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("spec", [spec for spec in ORACLES if name_of(spec) not in NOT_EXACT])
def test_precision_survives_large_means(spec, mean):
    """float32 against float64; an E[x^2] - E[x]^2 would be off by a quarter here."""
    norm = build(spec.replace("lam=0.7", "lam=0"))
    if isinstance(norm, RunningNorm):
        norm.running_mean.copy_(torch.as_tensor(MEANS[mean]) - 0.5)
        norm.running_var.fill_(2.0)
        norm.num_batches_tracked.fill_(1)
    for step, training in ((STEPS[0], True), (STEPS[2], True), (STEPS[2], False)):
        oracle, x = oracle_of(spec, norm, lam=0), draw(12, 37, C, seed=5, mean=MEANS[mean])
        tell(norm.train(training), step)
        by_running = not training or (name_of(spec), step.experience) == ("bn_frozen", 3)
        expected = oracle.results(x, step, training=training)
        # By running statistics it is as good as torch's kernel for rows, which does not centre x first.
        assert_same(results_of(norm, x), expected, 1e-4 if by_running else 1e-5)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("spec", ORACLES)
def test_low_precision_is_computed_in_float32(spec, training):
    """Where the norm is of float32, and where it is of low precision itself, as are its buffers."""
    x, step = draw(6, 5, C, seed=7, mean=20.0).to(torch.bfloat16), Step((1, 0, 1, 1, 0, 0), 1, 0.5)
    for norm in (train(build(spec)), train(build(spec)).to(torch.bfloat16)):
        wide = copy.deepcopy(norm).float()
        for one in (norm, wide):
            tell(one.train(training), step)
        y = norm(x)
        assert y.dtype == torch.bfloat16
        assert torch.equal(y, wide(x.float()).to(torch.bfloat16))
        for name, buffer in norm.named_buffers():
            assert torch.equal(buffer, wide.get_buffer(name).to(buffer.dtype))


@pytest.mark.parametrize("spec", ORACLES)
def test_autocast_changes_nothing(spec):
    x, (norm, plain) = draw(6, 5, C, mean=20.0), (build(spec) for _ in range(2))
    for one in (norm, plain):
        tell(one, STEPS[0])
    with torch.autocast("cpu", torch.bfloat16):
        y = norm(x)
    assert y.dtype == torch.float32
    assert torch.equal(y, plain(x))


@pytest.mark.parametrize("spec", ORACLES)
def test_state_is_kept_in_the_midst_of_the_run(spec):
    norm, other = train(build(spec), STEPS[:2]), build_norm(spec, C)
    other.load_state_dict(norm.state_dict())
    assert_kept(norm, buffers(other))
    for training in (True, False):
        for one in (norm, other):
            tell(one.train(training), STEPS[2])
        x = draw(6, 5, C, seed=8)
        assert torch.equal(norm(x), other(x))
        assert_kept(norm, buffers(other))


@pytest.mark.slow
@pytest.mark.parametrize("spec", FIRST.values())
def test_compiled_equals_eager(spec):
    norm, other = build(spec), build(spec)
    torch.compiler.reset()  # compiled code counts per source line, for all tests of a process
    compiled = torch.compile(other, fullgraph=True, backend="aot_eager")
    for training in (True, False):
        for seed, step in enumerate(STEPS):
            for one in (norm, other):
                tell(one.train(training), step)
            x = draw(12, 7, C, seed=seed, mean=seed)
            assert_same(results_of(other, x, compiled), results_of(norm, x))
            assert_same(dict(other.named_buffers()), buffers(norm))


@pytest.mark.parametrize("spec", ORACLES)
def test_evaluation_of_a_sample_does_not_depend_on_its_batch(spec):
    norm = train(build(spec)).eval()
    before, x, step = buffers(norm), draw(6, 5, C), replace(STEPS[-1], tasks=STEPS[2].tasks)
    tell(norm, step)
    y = norm(x)
    tell(norm, step.take([1]))
    torch.testing.assert_close(norm(x[1:2]), y[1:2])
    tell(norm, step.take([*range(6)] * 2))
    torch.testing.assert_close(norm(torch.cat([x, 100 + draw(6, 5, C, seed=6)]))[:6], y)
    assert_kept(norm, before)


@pytest.mark.parametrize("spec", [spec for spec in FIRST.values() if not isinstance(build_norm(spec, C), RunningNorm)])
def test_norms_without_running_statistics_are_the_same_in_training_and_keep_nothing(spec):
    norm, x = build(spec), draw(4, 5, C)
    assert torch.equal(norm(x), norm.eval()(x))
    assert not list(norm.buffers())


@pytest.mark.parametrize("spec", FIRST.values())
@pytest.mark.parametrize("shape", [(4, C), (2, 3, 4, C), (4, 5, C + 1)], ids=str)
def test_inputs_of_another_shape_are_refused(spec, shape):
    with pytest.raises(ClnormError, match=r"got an input of shape .*legal: \(samples, positions, 12\)"):
        build(spec)(draw(*shape))


@pytest.mark.parametrize("spec", FIRST.values())
def test_building_draws_no_random_numbers(spec):
    before = torch.get_rng_state()
    build_norm(spec, C)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("spec", ORACLES)
def test_a_second_pass_before_the_backward_pass_changes_nothing(spec):
    """The statistics that the first pass computed with change in between."""
    norm, alone = train(build(spec)), train(build(spec))
    x, other = (draw(6, 5, C, seed=seed, mean=9.0 * seed) for seed in range(2))
    grads = []
    for one, passes in ((norm, 2), (alone, 1)):
        leaf = x.clone().requires_grad_()
        tell(one, STEPS[2])
        loss = one(leaf).square().sum()
        if passes == 2:
            tell(one, STEPS[3])
            one(other)
        loss.backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(*grads)
