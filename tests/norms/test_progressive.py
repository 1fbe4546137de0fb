"""PRepBN against layer_norm and batch_norm mixed by hand, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.errors import ClnormError
from clnorm.norms import Statistics, StepContext, build_norm, provide_context
from clnorm.norms.calibrate import calibrate_norms

C, EPS = 6, 1e-3
PARAMETERS = ["weight", "bias", "layer_weight", "layer_bias", "eta"]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(until: float = 0.8, momentum: float = 0.3) -> nn.Module:
    """A norm in which no parameter has its first value."""
    norm = build_norm(f"prepbn:eps={EPS},until={until},momentum={momentum}", C)
    with torch.no_grad():
        for seed, name in enumerate(PARAMETERS):
            parameter = norm.get_parameter(name)
            parameter.copy_(draw(*parameter.shape, seed=10 + seed))
    return norm


def at(progress: float, clips: int = 4) -> StepContext:
    return StepContext(torch.zeros(clips, dtype=torch.long), 0, progress)


def leaves(norm: nn.Module) -> dict[str, Tensor]:
    return {name: norm.get_parameter(name).detach().double().requires_grad_() for name in PARAMETERS}


def rep_bn(x: Tensor, given: dict[str, Tensor], running: tuple[Tensor, Tensor], *, batch: bool) -> Tensor:
    """BN(x) + eta * x, by the batch's statistics, which `running` then takes in, or by `running`."""
    y = F.batch_norm(x.transpose(1, 2), *running, given["weight"], given["bias"], batch, 0.3, EPS)
    return y.transpose(1, 2) + given["eta"] * x


def mixed(x: Tensor, given: dict[str, Tensor], running: tuple[Tensor, Tensor], lam: float, *, batch: bool) -> Tensor:
    layer = F.layer_norm(x, (C,), given["layer_weight"], given["layer_bias"], EPS)
    return lam * layer + (1 - lam) * rep_bn(x, given, running, batch=batch)


def assert_same(norm: nn.Module, function, x: Tensor, tolerance: float = 1e-5) -> None:
    """The output and all gradients of `norm` at x in float32 are those of `function` (x, parameters) in float64."""
    given, exact, own = leaves(norm), x.clone().requires_grad_(), x.float().requires_grad_()
    norm.zero_grad()
    y, theirs = norm(own), function(exact, given)
    dy = draw(*x.shape, seed=30)
    y.backward(dy.float())
    theirs.backward(dy)
    pairs = [(y, theirs), (own.grad, exact.grad)]
    pairs += [(norm.get_parameter(name).grad, leaf.grad) for name, leaf in given.items()]
    for ours_one, theirs_one in pairs:
        if theirs_one is None or ours_one is None:
            assert theirs_one is ours_one
        else:
            assert (ours_one - theirs_one).norm() <= tolerance * theirs_one.norm() + 1e-30


@pytest.mark.parametrize("shape", [(4, 5, C), (8, 3, C), (12, 1, C)])
def test_training_and_evaluation_over_the_run_equal_the_formula(shape):
    norm, running = build(until=0.8), (torch.zeros(C).double(), torch.ones(C).double())
    for step, (progress, lam) in enumerate([(0, 1), (0.2, 0.75), (0.6, 0.25), (0.8, 0), (1, 0)]):
        provide_context(norm.train(), at(progress))
        x = draw(*shape, seed=step) * (1 + step) + step
        assert_same(norm, lambda x, given, lam=lam: mixed(x, given, running, lam, batch=True), x)
        assert norm.layer_share.item() == pytest.approx(lam, abs=1e-7)
        torch.testing.assert_close(norm.running_mean, running[0].float())
        torch.testing.assert_close(norm.running_var, running[1].float())
        norm.eval()
        assert_same(norm, lambda x, given: rep_bn(x, given, running, batch=False), draw(*shape, seed=9))


def test_what_it_starts_from():
    norm = build_norm("prepbn", C)
    x = draw(4, 5, C).float()
    norm.receive_context(at(0.0))
    torch.testing.assert_close(norm(x), F.layer_norm(x, (C,), eps=1e-5))
    fresh = build_norm("prepbn", C).eval()
    torch.testing.assert_close(fresh(x), 2 * x, rtol=1e-4, atol=1e-4)  # BN is the identity, and eta is 1
    assert fresh.eta.shape == ()


def test_until_zero_is_rep_bn_from_the_start():
    norm, running = build(until=0), (torch.zeros(C).double(), torch.ones(C).double())
    norm.receive_context(at(0.0))
    assert_same(norm, lambda x, given: mixed(x, given, running, 0, batch=True), draw(4, 5, C))


@pytest.mark.parametrize(
    ("spread", "lam"),
    [(0, 0.0), (1000, 0.0), (1000, 0.5)],  # torch's own layer_norm is off by more where all channels have one mean
)
def test_precision_survives_large_means(spread, lam):
    norm, running = build(until=1), (torch.zeros(C).double(), torch.ones(C).double())
    norm.receive_context(at(1 - lam))
    x = (draw(16, 9, C) + (spread * draw(C, seed=4) if spread else 1000)).float().double()
    assert_same(norm, lambda x, given: mixed(x, given, running, lam, batch=True), x)


def test_frozen_training_mixes_with_the_running_statistics():
    norm = build()
    norm.receive_context(at(0.4))
    norm(draw(4, 5, C).float() + 2)
    norm.frozen = True
    running = tuple(buffer.double() for buffer in (norm.running_mean, norm.running_var))
    assert_same(norm, lambda x, given: mixed(x, given, running, 0.5, batch=False), draw(4, 5, C, seed=3))
    assert norm.num_batches_tracked == 1
    torch.testing.assert_close(norm.running_mean.double(), running[0])


def test_transductive_evaluation_is_rep_bn_of_the_batch():
    norm = build().eval()
    norm.transductive = True
    assert_same(norm, lambda x, given: rep_bn(x, given, (None, None), batch=True), draw(4, 5, C))
    assert norm.num_batches_tracked == 0


def test_weights_of_clips_in_the_running_statistics(weighing):
    norm, x = build(momentum=1.0), draw(8, 5, C)
    norm.statistics = weighing(1, 0, 1, 0)
    norm.receive_context(at(0.4))
    norm(x.float())
    taken = x[[0, 1, 4, 5]].flatten(0, 1)
    torch.testing.assert_close(norm.running_mean, taken.mean(0).float())
    torch.testing.assert_close(norm.running_var, taken.var(0).float())
    before = norm.running_mean.clone()
    norm.statistics = Statistics(update="none")
    norm.receive_context(at(0.4))
    norm(x.float())
    assert torch.equal(norm.running_mean, before)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_equal_finite_differences(training):
    norm, x = build().double().train(training), draw(4, 3, C).requires_grad_()
    norm.receive_context(at(0.3))

    def function(x, *values):
        return torch.func.functional_call(norm, dict(zip(PARAMETERS, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(function, (x, *leaves(norm).values()))


def test_state_dict_round_trip_in_the_midst_of_the_run():
    norm, x = build(), draw(4, 5, C).float()
    provide_context(norm, at(0.3))
    norm(x)
    copy = build()
    copy.load_state_dict(norm.state_dict())
    assert copy.layer_share == norm.layer_share
    assert torch.equal(copy.eval()(x), norm.eval()(x))


def test_training_needs_the_progress_and_evaluation_does_not():
    norm, x = build(), draw(4, 5, C).float()
    with pytest.raises(ClnormError, match=r"ProgressiveBatchNorm needs progress of the batch.*provide_context"):
        norm(x)
    assert norm.eval()(x).isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_low_precision_is_computed_in_float32(training):
    norm, wide = (build().to(torch.bfloat16).train(training) for _ in range(2))
    wide = wide.float()
    x = draw(4, 5, C).to(torch.bfloat16)
    for one in (norm, wide):
        one.receive_context(at(0.4))  # lam = 0.5 in both precisions
    assert torch.equal(norm(x), wide(x.float()).to(torch.bfloat16))


def test_compiled_equals_eager():
    eager, other = build(), build()
    compiled = torch.compile(other, fullgraph=True, backend="aot_eager")
    for step, progress in enumerate((0.0, 0.3, 0.9)):
        results = []
        for norm, function in ((eager, eager), (other, compiled)):
            norm.zero_grad()
            norm.receive_context(at(progress))
            x = draw(4, 5, C, seed=step).float().requires_grad_()
            y = function(x)
            y.square().sum().backward()
            results.append([y.detach(), x.grad, *(norm.get_parameter(name).grad.clone() for name in PARAMETERS)])
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    for name, buffer in eager.named_buffers():
        torch.testing.assert_close(other.get_buffer(name), buffer)


def test_calibration_sees_what_evaluation_will_see():
    """Two norms in a row, at the start of a run, when training is LN: the second one's statistics are of RepBN."""
    norms = nn.Sequential(*(build_norm("prepbn", C) for _ in range(2)))
    batches = [(draw(4, 5, C, seed=seed) + 3).float() for seed in range(3)]
    calibrate_norms(norms, batches)
    seen = torch.cat([norms[0].eval()(batch) for batch in batches])
    torch.testing.assert_close(norms[1].running_mean, seen.mean((0, 1)), atol=0.1, rtol=0.05)
    assert norms[1].running_mean.mean() > 2  # eta * x keeps the mean, which LN would have taken away
