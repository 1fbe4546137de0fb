"""AdaB2N against its equations, written out clip by clip in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.errors import ClnormError, UserError
from clnorm.norms import NormSite, Statistics, StepContext, build_norm, provide_context, take_auxiliary_loss
from clnorm.norms.calibrate import calibrate_norms

C, EPS, M, TASKS = 6, 1e-3, 0.2, 5
BATCHES = [[0, 0, 0, 0], [2, 0, 2, 1], [2, 2, 2, 0], [3, 3, 1, 1]]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def build(kappa: float = 0.5, lam: float = 0.7) -> nn.Module:
    norm = build_norm(f"adab2n:eps={EPS},momentum={M},kappa={kappa},lam={lam},tasks={TASKS}", C)
    with torch.no_grad():
        for seed, parameter in enumerate(norm.parameters()):
            parameter.copy_(draw(*parameter.shape, seed=10 + seed))
    return norm


def batch_of(tasks: list[int]) -> StepContext:
    return StepContext(torch.tensor(tasks), max(tasks), 0.0)


class Reference:
    """AdaB2N of (B, P, C), P = all positions of a clip; kappa's momentum as a product of its own."""

    def __init__(self, norm: nn.Module, kappa: float) -> None:
        self.norm, self.kappa, self.eta = norm, kappa, None
        self.mean, self.var = torch.zeros(C).double(), torch.ones(C).double()

    def leaves(self) -> dict[str, Tensor]:
        return {name: value.detach().double().requires_grad_() for name, value in self.norm.named_parameters()}

    def moments(self, x: Tensor, theta: Tensor, tasks: list[int]) -> tuple[Tensor, Tensor]:
        present = sorted(set(tasks))
        counts = {task: tasks.count(task) for task in present}
        concentrations = {task: torch.exp(theta[task]) + counts[task] for task in present}
        total = sum(concentrations.values())
        weights = [concentrations[task] / total / counts[task] for task in tasks]
        mu = sum(weight * clip.mean(0) for weight, clip in zip(weights, x, strict=True))
        var = sum(weight * (clip - mu).square().mean(0) for weight, clip in zip(weights, x, strict=True))
        return mu, var

    def train(self, x: Tensor, given: dict[str, Tensor], tasks: list[int]) -> tuple[Tensor, Tensor]:
        """y, and the auxiliary loss without lam."""
        mu, var = self.moments(x, given["theta"], tasks)
        first, decay = M**self.kappa, (1 - M) ** self.kappa
        self.eta = first if self.eta is None else self.eta / (self.eta + decay)
        self.mean = self.mean + self.eta * (mu.detach() - self.mean)
        self.var = self.var + self.eta * (var.detach() - self.var)
        loss = (mu - self.mean).square().mean() + (var - self.var).square().mean()
        return (x - mu) / (var + EPS).sqrt() * given["weight"] + given["bias"], loss


def gradients(y: Tensor, loss: Tensor | None, x: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of a random functional of y plus the loss: everything that comes out, by name."""
    total = (y * draw(*x.shape, seed=30).reshape(y.shape).to(y.dtype)).sum()
    found = torch.autograd.grad(
        total if loss is None else total + loss, [x, *parameters.values()], allow_unused=True, materialize_grads=True
    )
    return {"y": y.detach(), **dict(zip(["x", *parameters], found, strict=True))}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    assert ours.keys() == theirs.keys()
    for name, exact in theirs.items():
        error = (ours[name].reshape(exact.shape) - exact).norm()
        assert error <= tolerance * exact.norm() + 3e-7, name  # some are 0: theta's, where all clips are of one task


@pytest.mark.parametrize("kappa", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(4, 5, C), (8, 3, C), (12, 1, C)])
def test_training_and_evaluation_equal_the_equations(shape, kappa):
    norm = build(kappa)
    reference = Reference(norm, kappa)
    for step, tasks in enumerate(BATCHES):
        values = (draw(*shape, seed=step) * (1 + step) + step).float()
        provide_context(norm.train(), batch_of(tasks))
        own = values.requires_grad_()
        ours = gradients(norm(own), take_auxiliary_loss(norm), own, dict(norm.named_parameters()))
        exact, given = values.detach().double().view(4, -1, C).requires_grad_(), reference.leaves()
        y, loss = reference.train(exact, given, tasks)
        assert_same(ours, gradients(y, 0.7 * loss, exact, given))
        torch.testing.assert_close(norm.running_mean.double(), reference.mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(norm.running_var.double(), reference.var, rtol=1e-5, atol=1e-6)
        assert norm.eta.item() == pytest.approx(reference.eta, rel=1e-6)
        y = norm.eval()(values)
        torch.testing.assert_close(
            y.double(),
            F.batch_norm(values.double().transpose(1, 2), reference.mean, reference.var, eps=EPS).transpose(1, 2)
            * norm.weight.double()
            + norm.bias.double(),
            rtol=1e-4,
            atol=1e-5,
        )
    assert norm.num_batches_tracked == len(BATCHES)


@pytest.mark.parametrize(
    ("kappa", "expected"), [(0.0, [1, 1 / 2, 1 / 3, 1 / 4]), (1.0, [M, M, M, M]), (0.5, [M**0.5, 1 / 3, 0.271498])]
)
def test_momentum(kappa, expected):
    """By hand: at kappa = 0.5, eta_2 = 0.4472136 / (0.4472136 + 0.8944272), eta_3 = 1/3 / (1/3 + 0.8944272)."""
    norm = build(kappa)
    for tasks, eta in zip(BATCHES, expected, strict=False):
        norm.receive_context(batch_of(tasks))
        norm(draw(4, 5, C).float())
        assert norm.eta.item() == pytest.approx(eta, rel=1e-5)


def test_a_batch_of_one_task_is_normalized_as_by_batch_norm():
    norm, x = build(), draw(4, 5, C).float()
    norm.receive_context(batch_of([3, 3, 3, 3]))
    expected = F.batch_norm(x.flatten(0, 1), None, None, norm.weight, norm.bias, True, eps=EPS).view(x.shape)
    torch.testing.assert_close(norm(x), expected)


def test_a_task_of_a_large_theta_decides_alone():
    norm, x = build(), draw(4, 5, C).float()
    with torch.no_grad():
        norm.theta[1] = 50.0
    norm.receive_context(batch_of([1, 0, 2, 0]))
    expected = (x - x[0].mean(0)) / (x[0].var(0, correction=0) + EPS).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spread", [False, True], ids=["one mean", "a mean per channel"])
def test_precision_survives_large_means(spread):
    norm = build()
    values = (draw(16, 9, C) + (1000 * draw(C, seed=4) if spread else 1000)).float()
    own, exact = values.requires_grad_(), values.detach().double().view(4, -1, C).requires_grad_()
    norm.receive_context(batch_of([2, 0, 2, 1]))
    reference = Reference(norm, 0.5)
    given = reference.leaves()
    ours = gradients(norm(own), None, own, dict(norm.named_parameters()))
    assert_same(ours, gradients(reference.train(exact, given, [2, 0, 2, 1])[0], None, exact, given))


def test_gradients_equal_finite_differences():
    norm, x = build().double(), draw(4, 3, C).requires_grad_()
    norm.statistics = Statistics(update="none")  # or the running statistics would move in between
    norm.receive_context(batch_of([2, 0, 2, 1]))
    names = [name for name, _ in norm.named_parameters()]

    def function(x, *values):
        y = torch.func.functional_call(norm, dict(zip(names, values, strict=True)), (x,))
        return y, norm.auxiliary_loss

    leaves = [parameter.detach().clone().requires_grad_() for parameter in norm.parameters()]
    assert torch.autograd.gradcheck(function, (x, *leaves))


def test_the_auxiliary_losses_of_a_model_sum_clear_and_reach_theta_and_x():
    model = nn.Sequential(build(lam=1.0), build(lam=1.0))
    x = draw(4, 5, C).float().requires_grad_()
    provide_context(model, batch_of([2, 0, 2, 1]))
    model(x)
    losses = [norm.auxiliary_loss for norm in model]
    total = take_auxiliary_loss(model)
    assert total.item() == pytest.approx(sum(loss.item() for loss in losses))
    assert take_auxiliary_loss(model) is None
    total.backward()
    assert all(norm.theta.grad[[0, 1, 2]].abs().min() > 0 for norm in model)
    assert all(norm.theta.grad[[3, 4]].abs().max() == 0 for norm in model)  # in no clip of the batch
    assert x.grad.abs().min() > 0
    model.eval()(x)
    assert take_auxiliary_loss(model) is None


def test_lam_scales_the_auxiliary_loss():
    losses = {}
    for lam in (1.0, 0.25):
        norm = build(lam=lam)
        norm.receive_context(batch_of([1, 0, 0, 0]))
        norm(draw(4, 5, C).float())
        losses[lam] = take_auxiliary_loss(norm).item()
    assert losses[0.25] == pytest.approx(0.25 * losses[1.0])


def test_weights_of_clips_go_to_the_running_statistics_alone(weighing):
    norm, plain, x = build(kappa=0.0), build(kappa=0.0), draw(8, 5, C).float()
    norm.statistics = weighing(1, 0, 1, 0)
    norm.receive_context(batch_of([1, 0, 0, 0]))
    plain.receive_context(batch_of([1, 0, 0, 0]))
    assert torch.equal(norm(x), plain(x))
    taken = x[[0, 1, 4, 5]].flatten(0, 1)
    torch.testing.assert_close(norm.running_mean, taken.mean(0))
    torch.testing.assert_close(norm.running_var, taken.var(0, correction=0))


def test_batches_that_are_not_to_be_tracked_leave_statistics_and_momentum():
    norm = build()
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    norm.statistics = Statistics(update="none")
    norm.receive_context(batch_of([1, 0, 0, 0]))
    norm(draw(4, 5, C).float())
    assert take_auxiliary_loss(norm) is not None
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())


def test_frozen_and_transductive():
    norm, x = build(), draw(4, 5, C).float()
    norm.receive_context(batch_of([1, 0, 0, 0]))
    norm(x + 3)
    expected = norm.eval()(x)
    norm.train().frozen = True
    torch.testing.assert_close(norm(x), expected)
    assert norm.num_batches_tracked == 1
    assert take_auxiliary_loss(norm) is None
    norm.eval().transductive = True
    by_batch = F.batch_norm(x.flatten(0, 1), None, None, norm.weight, norm.bias, True, eps=EPS)
    torch.testing.assert_close(norm(x), by_batch.view(x.shape))


def test_calibration_takes_the_plain_average_and_leaves_the_momentum_to_training():
    norm, batches = build(), [draw(4, 5, C, seed=seed).float() for seed in range(3)]
    site = NormSite(norm, "frame")
    calibrate_norms(site, batches)
    torch.testing.assert_close(norm.running_mean, torch.stack([x.mean((0, 1)) for x in batches]).mean(0))
    variances = torch.stack([x.var((0, 1), correction=0) for x in batches])
    torch.testing.assert_close(norm.running_var, variances.mean(0))
    assert norm.eta.item() == 0
    norm.receive_context(batch_of([0, 0, 0, 0]))
    norm.train()(batches[0])
    assert norm.eta.item() == pytest.approx(M**0.5)


def test_state_dict_round_trip_in_the_midst_of_the_run():
    norm, copy = build(), build_norm(f"adab2n:eps={EPS},momentum={M},kappa=0.5,lam=0.7,tasks={TASKS}", C)
    for step in range(5):
        if step == 2:
            copy.load_state_dict(norm.state_dict())
        for one in (norm, copy) if step >= 2 else (norm,):
            one.receive_context(batch_of([1, 0, 0, 0]))
            one(draw(4, 5, C, seed=step).float())
    assert all(torch.equal(buffer, copy.get_buffer(name)) for name, buffer in norm.named_buffers())


def test_training_needs_a_context_and_evaluation_does_not():
    norm, x = build(), draw(4, 5, C).float()
    with pytest.raises(ClnormError, match=r"AdaptiveBalancedBatchNorm needs tasks, experience of the batch"):
        norm(x)
    assert norm.eval()(x).isfinite().all()


def test_a_context_of_another_batch_is_refused():
    norm = build()
    norm.receive_context(batch_of([1, 0, 0]))
    with pytest.raises(ClnormError, match="got 4 samples with a context of 3 clips"):
        norm(draw(4, 5, C).float())


@pytest.mark.parametrize(
    "context", [StepContext(torch.tensor([0, 5]), 0, 0.0), StepContext(torch.tensor([0, 0]), 5, 0.0)]
)
def test_more_experiences_than_it_was_built_for_are_refused(context):
    with pytest.raises(UserError, match=r"experience 5 \(from 0\) for a norm built with tasks=5.*option tasks"):
        build().receive_context(context)


def test_one_value_per_channel_is_refused():
    norm = build()
    norm.receive_context(batch_of([0]))
    with pytest.raises(UserError, match="one value per channel"):
        norm(draw(1, 1, C).float())


def test_low_precision_is_computed_in_float32():
    norm, wide = build().to(torch.bfloat16), build().to(torch.bfloat16).float()
    x = draw(4, 5, C).to(torch.bfloat16)
    for one in (norm, wide):
        one.receive_context(batch_of([1, 0, 2, 0]))
    assert torch.equal(norm(x), wide(x.float()).to(torch.bfloat16))
    for name, buffer in norm.named_buffers():
        assert torch.equal(buffer, wide.get_buffer(name).to(buffer.dtype))


def test_compiled_equals_eager():
    eager, other = build(), build()
    compiled = torch.compile(other, fullgraph=True, backend="aot_eager")
    for step, tasks in enumerate(BATCHES):
        results = []
        for norm, function in ((eager, eager), (other, compiled)):
            norm.receive_context(batch_of(tasks))
            x = draw(8, 5, C, seed=step).float().requires_grad_()
            results.append(gradients(function(x), take_auxiliary_loss(norm), x, dict(norm.named_parameters())))
        assert_same(results[1], results[0], tolerance=1e-4)
    for name, buffer in eager.named_buffers():
        torch.testing.assert_close(other.get_buffer(name), buffer)
