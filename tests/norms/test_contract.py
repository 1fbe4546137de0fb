"""What every norm of the catalogue promises, each against its equations in oracles.py."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from clnorm.catalogue import NORMS
from clnorm.errors import ClnormError, UserError
from clnorm.norms import RunningNorm, build_norm, take_auxiliary_loss
from tests.norms import oracles
from tests.norms.oracles import STEPS, C, Step, assert_same, build, draw, results_of, tell

R = {STEPS[2]: 2}  # of 2 current clips and 4 of the memory; the other steps have one part
ORACLES = {
    "ln:eps=1e-3": partial(oracles.Layer, eps=1e-3),
    "rms:eps=1e-2": partial(oracles.RMS, eps=1e-2),
    "bn": partial(oracles.Batch, momentum=0.1, eps=1e-5),
    "bn:momentum=1.0": partial(oracles.Batch, momentum=1.0, eps=1e-5),
    "bn_cma:reset=true,eps=1e-3": partial(oracles.Cumulative, reset=True, eps=1e-3),
    "bn_cma:reset=false,eps=1e-3": partial(oracles.Cumulative, reset=False, eps=1e-3),
    "bn_frozen:source=base,eps=1e-3,momentum=0.3": partial(oracles.Frozen, momentum=0.3, eps=1e-3),
    "bn_task:tasks=4,eps=1e-3,momentum=0.3": partial(oracles.PerTask, momentum=0.3, eps=1e-3),
    "brn:rmax=1.5,dmax=0.4,begin=0.2,end=0.6,momentum=0.3,eps=1e-2": partial(
        oracles.Renorm, rmax=1.5, dmax=0.4, begin=0.2, end=0.6, momentum=0.3, eps=1e-2
    ),
    "gn:groups=1,eps=1e-3": partial(oracles.Group, groups=1, eps=1e-3),
    "gn:groups=3,eps=1e-3": partial(oracles.Group, groups=3, eps=1e-3),
    "gn:groups=4,eps=1e-3": partial(oracles.Group, groups=4, eps=1e-3),
    "gn:groups=12,eps=1e-3": partial(oracles.Group, groups=12, eps=1e-3),
    "in:eps=1e-3": partial(oracles.Instance, eps=1e-3),
    "sn:momentum=0.3,eps=1e-2": partial(oracles.Switchable, momentum=0.3, eps=1e-2),
    "cn:groups=1": partial(oracles.Continual, groups=1, momentum=0.1, eps=1e-5),
    "cn:groups=4": partial(oracles.Continual, groups=4, momentum=0.1, eps=1e-5),
    "cn:groups=12": partial(oracles.Continual, groups=12, momentum=0.1, eps=1e-5),
    "tbbn:momentum=0.3,eps=1e-3": partial(
        oracles.TaskBalanced, momentum=0.3, eps=1e-3, parts=lambda step: R.get(step, 1)
    ),
    **{
        f"adab2n:eps=1e-3,momentum=0.2,kappa={kappa},lam=0.7,tasks=5": partial(
            oracles.Adaptive, eps=1e-3, momentum=0.2, kappa=kappa, lam=0.7
        )
        for kappa in (0.5, 0.0, 1.0)
    },
    "prepbn:until=0.8,momentum=0.3,eps=1e-3": partial(oracles.Progressive, until=0.8, momentum=0.3, eps=1e-3),
    "dyt:alpha=0.7": oracles.Tanh,
    "derf:alpha=0.7": oracles.Erf,
    "identity": oracles.Identity,
}
FIRST = {spec.partition(":")[0]: spec for spec in reversed(ORACLES)}  # one of each norm
RUNNING = [spec for name, spec in FIRST.items() if isinstance(build_norm(spec, C), RunningNorm)]
SHARES_OF_FLOAT32 = {"brn", "prepbn", "bn_cma", "bn_task"}  # of the run, or of a batch in the statistics
REFUSES_ONE_POSITION = {"in", "gn:groups=12,eps=1e-3", "cn:groups=12"}


def name_of(spec: str) -> str:
    return spec.partition(":")[0]


def train(norm: nn.Module, steps: tuple[Step, ...] = STEPS, *, length: int = 5) -> nn.Module:
    """The norm in training mode, after these steps."""
    for seed, step in enumerate(steps):
        tell(norm.train(), step)
        norm(draw(len(step), length, C, seed=seed, mean=seed).to(next(iter(norm.state_dict().values()), draw(1))))
        take_auxiliary_loss(norm)
    return norm


def buffers(norm: nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in norm.named_buffers()}


def assert_kept(norm: nn.Module, before: dict[str, torch.Tensor]) -> None:
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())


def assert_same_statistics(norm: nn.Module, oracle: oracles.Oracle, tolerance: float) -> None:
    if isinstance(norm, RunningNorm):
        ours = {"mean": norm.running_mean, "var": norm.running_var}
        assert_same(ours, dict(zip(ours, oracle.running, strict=True)), tolerance)


def test_every_norm_of_the_catalogue_is_here():
    assert set(FIRST) == set(NORMS.names())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=["32", "64"])
@pytest.mark.parametrize("shape", [(6, 7), (12, 3), (6, 1), (24, 1)], ids=str)
@pytest.mark.parametrize("spec", ORACLES)
def test_training_and_evaluation_equal_the_equations(spec, shape, dtype, tolerance):
    """Outputs, all gradients and the running statistics, batch after batch."""
    if shape[1] == 1 and {spec, name_of(spec)} & REFUSES_ONE_POSITION:
        return
    if name_of(spec) in SHARES_OF_FLOAT32:
        tolerance = max(tolerance, 1e-6)
    norm = build(spec).to(dtype)
    oracle = ORACLES[spec](norm)
    for seed, step in enumerate(STEPS):
        x = (draw(*shape, C, seed=seed) * (1 + seed) + seed).to(dtype)
        tell(norm.train(), step)
        assert_same(results_of(norm, x), oracle.results(x, step, training=True), tolerance)
        assert_same_statistics(norm, oracle, tolerance)
        tell(norm.eval(), step)
        before = buffers(norm)
        assert_same(results_of(norm, x), oracle.results(x, step, training=False), tolerance)
        assert_kept(norm, before)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("spec", [spec for spec in FIRST.values() if name_of(spec) != "tbbn"])
def test_batches_of_one_and_two_clips(spec, samples):
    norm = build(spec)
    oracle, x, step = ORACLES[spec](norm), draw(samples, 7, C, mean=2.0).float(), Step((0,) * samples, 0, 0.4)
    tell(norm, step)
    assert_same(results_of(norm, x), oracle.results(x, step, training=True))


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("spec", ORACLES)
def test_gradients_equal_finite_differences(spec, training):
    norm, step = train(build(spec).double()), STEPS[1]
    tell(norm.train(training), step, track=False)  # or the running statistics would move in between
    if training and norm.stop_gradient:
        return
    named = dict(norm.named_parameters())

    def function(x, *values):
        y = torch.func.functional_call(norm, dict(zip(named, values, strict=True)), (x,))
        loss = getattr(norm, "auxiliary_loss", None)
        return y if loss is None else (y, loss)

    leaves = [value.detach().clone().requires_grad_() for value in named.values()]
    assert torch.autograd.gradcheck(function, (draw(len(step), 2, C, seed=9).requires_grad_(), *leaves))


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
@pytest.mark.parametrize("spec", [spec for name, spec in FIRST.items() if name not in NOT_EXACT])
def test_precision_survives_large_means(spec, mean):
    """float32 against float64; an E[x^2] - E[x]^2 would be off by a quarter here."""
    norm = build(spec)
    if isinstance(norm, RunningNorm):
        norm.running_mean.copy_(torch.as_tensor(MEANS[mean]) - 0.5)
        norm.running_var.fill_(2.0)
        norm.num_batches_tracked.fill_(1)
    for training in (True, False):
        oracle, x = ORACLES[spec](norm), draw(66, 37, C, seed=5, mean=MEANS[mean]).float()
        tell(norm.train(training), STEPS[2])
        tolerance = 1e-4 if not training or name_of(spec) == "bn_frozen" else 1e-5
        assert_same(results_of(norm, x), oracle.results(x, STEPS[2], training=training), tolerance)


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
    x, (norm, plain) = draw(6, 5, C, mean=20.0).float(), (build(spec) for _ in range(2))
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
        x = draw(6, 5, C, seed=8).float()
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
            x = draw(12, 7, C, seed=seed, mean=seed).float()
            assert_same(results_of(other, x, compiled), results_of(norm, x))
            assert_same(dict(other.named_buffers()), buffers(norm))


@pytest.mark.parametrize("spec", ORACLES)
def test_evaluation_of_a_sample_does_not_depend_on_its_batch(spec):
    norm = train(build(spec)).eval()
    before, x, step = buffers(norm), draw(6, 5, C).float(), replace(STEPS[-1], tasks=STEPS[2].tasks)
    tell(norm, step)
    y = norm(x)
    tell(norm, step.take([1]))
    torch.testing.assert_close(norm(x[1:2]), y[1:2])
    tell(norm, step.take([*range(6)] * 2))
    torch.testing.assert_close(norm(torch.cat([x, 100 + draw(6, 5, C, seed=6).float()]))[:6], y)
    assert_kept(norm, before)


@pytest.mark.parametrize("spec", [spec for spec in FIRST.values() if spec not in RUNNING])
def test_norms_without_running_statistics_are_the_same_in_training_and_keep_nothing(spec):
    norm, x = build(spec), draw(4, 5, C).float()
    assert torch.equal(norm(x), norm.eval()(x))
    assert not list(norm.buffers())


@pytest.mark.parametrize("spec", FIRST.values())
@pytest.mark.parametrize("shape", [(4, C), (2, 3, 4, C), (4, 5, C + 1)], ids=str)
def test_inputs_of_another_shape_are_refused(spec, shape):
    with pytest.raises(ClnormError, match=r"got an input of shape .*legal: \(samples, positions, 12\)"):
        build(spec)(draw(*shape).float())


@pytest.mark.parametrize("spec", FIRST.values())
def test_building_draws_no_random_numbers(spec):
    before = torch.get_rng_state()
    build_norm(spec, C)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("spec", ORACLES)
def test_a_second_pass_before_the_backward_pass_changes_nothing(spec):
    """The statistics that the first pass computed with change in between."""
    norm, alone = train(build(spec)), train(build(spec))
    x, other = (draw(6, 5, C, seed=seed, mean=9.0 * seed).float() for seed in range(2))
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


NEEDS = {
    FIRST["bn_cma"]: "experience",
    FIRST["bn_frozen"]: "experience",
    FIRST["bn_task"]: "tasks",
    FIRST["brn"]: "progress",
    FIRST["tbbn"]: "tasks, experience",
    FIRST["adab2n"]: "tasks, experience",
    FIRST["prepbn"]: "progress",
}


@pytest.mark.parametrize("spec", ORACLES)
def test_what_training_must_be_told_and_evaluation_need_not(spec):
    norm, x = build(spec), draw(4, 5, C).float()
    needs = NEEDS.get(spec, NEEDS.get(name_of(spec) == "adab2n" and FIRST["adab2n"], ""))
    assert ", ".join(norm.needs) == needs
    if needs:
        with pytest.raises(ClnormError, match=f"{type(norm).__name__} needs {needs} of the batch.*provide_context"):
            norm(x)
    else:
        assert norm(x).isfinite().all()
    if not getattr(norm, "oracle", False):
        assert norm.eval()(x).isfinite().all()


@pytest.mark.parametrize("name", ["bn_task", "tbbn", "adab2n"])
def test_the_context_of_another_batch_is_refused(name):
    norm = build(FIRST[name])
    tell(norm, Step((2, 2, 2, 0, 0, 0), 2, 0.0))
    with pytest.raises(ClnormError, match="8 samples with a context of 6 clips"):
        norm(draw(8, 5, C).float())


@pytest.mark.parametrize("spec", RUNNING)
def test_batch_statistics_need_more_than_one_value(spec):
    norm, step = build(spec), Step((0,), 0, 0.0)
    tell(norm, step)
    assert norm(draw(1, 5, C).float()).isfinite().all()
    before = buffers(norm)
    with pytest.raises(UserError, match="one value per channel"):
        norm(draw(1, 1, C).float())
    assert_kept(norm, before)
    if name_of(spec) != "cn":  # groups at one position are refused in evaluation too
        assert norm.eval()(draw(1, 1, C).float()).isfinite().all()


@pytest.mark.parametrize("spec", RUNNING)
def test_only_the_clips_that_count_go_to_the_running_statistics(spec):
    """The output is of all clips; the statistics are those of a norm that saw no others."""
    step, x = Step((0, 1, 0, 0, 1, 1), 0, 0.4), draw(12, 5, C, mean=3.0).float()
    clips = [0, 2, 3]
    norm, plain, small = (build(spec) for _ in range(3))
    tell(norm, step, statistics=torch.tensor([1.0, 0, 1, 1, 0, 0]))
    tell(plain, step)
    torch.testing.assert_close(norm(x), plain(x))
    tell(small, step.take(clips))
    small(x.view(6, 2, 5, C)[clips].flatten(0, 1))
    assert_same(buffers(norm), buffers(small))


@pytest.mark.parametrize("spec", RUNNING)
def test_a_batch_that_is_not_tracked_leaves_no_trace(spec):
    norm = train(build(spec))
    before = buffers(norm)
    tell(norm, STEPS[3], track=False)
    norm(draw(6, 5, C, mean=5.0).float())
    assert_kept(norm, before)


@pytest.mark.parametrize("spec", RUNNING)
def test_frozen_training_and_transductive_evaluation_leave_the_statistics(spec):
    norm, x = train(build(spec)), draw(6, 5, C, mean=2.0).float()
    before = buffers(norm)
    tell(norm, STEPS[3])
    expected = norm.eval()(x)
    norm.train().frozen = True
    frozen = norm(x)
    if name_of(spec) != "prepbn":  # which mixes them with LN
        torch.testing.assert_close(frozen, expected)
    norm.eval().transductive = True
    by_batch = norm(x)
    if name_of(spec) != "bn_frozen":
        assert not torch.allclose(by_batch, expected, atol=1e-2)
    assert_kept(norm, before)
