"""BatchRenorm against an implementation written from the paper's Algorithm 1, in float64, and BatchNorm1d."""

import pytest
import torch
from torch import nn

from clnorm.errors import ClnormError, UserError
from clnorm.norms import StepContext, build_norm, provide_context

C = 12
SPEC = "brn:rmax=1.5,dmax=0.4,begin=0.2,end=0.6,momentum=0.3,eps=1e-2"
LIMITS = {0.0: (1.0, 0.0), 0.2: (1.0, 0.0), 0.3: (1.125, 0.1), 0.5: (1.375, 0.3), 0.6: (1.5, 0.4), 1.0: (1.5, 0.4)}


def draw(*shape: int, seed: int = 0, mean: float = 0.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 1.5 + mean


def build(spec: str = SPEC, channels: int = C) -> nn.Module:
    norm = build_norm(spec, channels)
    with torch.no_grad():
        norm.weight.copy_(draw(channels, seed=1))
        norm.bias.copy_(draw(channels, seed=2))
    return norm


def context(progress: float) -> StepContext:
    return StepContext(torch.zeros(5, dtype=torch.long), 0, progress)


class Reference(nn.Module):
    """Plain autograd through (x - mu_B) / sigma_B * r + d, with r and d taken out of the graph."""

    def __init__(self, norm: nn.Module, *, eps: float, momentum: float) -> None:
        super().__init__()
        self.weight, self.bias = (nn.Parameter(p.detach().double()) for p in (norm.weight, norm.bias))
        self.mean, self.var = norm.running_mean.double().clone(), norm.running_var.double().clone()
        self.eps, self.momentum = eps, momentum

    def forward(self, x: torch.Tensor, rmax: float, dmax: float) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[2])
        mu_b = rows.mean(0)
        sigma_b = torch.sqrt(rows.var(0, correction=0) + self.eps)
        with torch.no_grad():
            sigma = torch.sqrt(self.var + self.eps)
            r = torch.clamp(sigma_b / sigma, 1 / rmax, rmax)
            d = torch.clamp((mu_b - self.mean) / sigma, -dmax, dmax)
            self.clipped = r.max() == rmax and r.min() == 1 / rmax and -d.min() == d.max() == dmax
            self.mean = self.mean + self.momentum * (mu_b - self.mean)
            self.var = self.var + self.momentum * (rows.var(0) - self.var)
        return self.weight * ((x - mu_b) / sigma_b * r + d) + self.bias


def gradients(norm: nn.Module, function, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    norm.zero_grad()
    y = function(x)
    y.backward(draw(*y.shape, seed=30).to(y))
    return [y.detach(), x.grad, norm.weight.grad.clone(), norm.bias.grad.clone()]


def assert_same(ours, theirs, tolerance: float = 1e-5) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert (one.double() - other.double()).norm() / other.double().norm() < tolerance


@pytest.mark.parametrize("shape", [(5, 7, C), (5, 1, C)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-6)])
def test_equals_the_reference_along_the_schedule(shape, dtype, tolerance):
    ours = build().to(dtype)
    theirs = Reference(ours, eps=1e-2, momentum=0.3)
    clipped = []
    for step, (progress, limits) in enumerate(LIMITS.items()):
        there_and_back = (-1) ** step * torch.linspace(-1, 1, C)
        x = (draw(*shape, seed=step) * 3**there_and_back + 3 * there_and_back).to(dtype)
        provide_context(ours, context(progress))
        expected = gradients(theirs, lambda x, limits=limits: theirs(x, *limits), x.double())
        assert_same(gradients(ours, ours, x), expected, tolerance)
        clipped.append(theirs.clipped)
        torch.testing.assert_close(ours.running_mean.double(), theirs.mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours.running_var.double(), theirs.var, rtol=1e-5, atol=1e-6)
    assert all(clipped)
    ours.eval()
    expected = theirs.weight * (x - theirs.mean) / torch.sqrt(theirs.var + 1e-2) + theirs.bias
    assert_same([ours(x)], [expected], tolerance)


@pytest.mark.parametrize("name", ["rmax", "dmax"])
def test_each_limit_alone(name):
    limits = {"rmax": (1.5, 0.0), "dmax": (1.0, 0.4)}[name]
    ours = build(f"brn:rmax={limits[0]},dmax={limits[1]},momentum=0.3,eps=1e-2")
    theirs = Reference(ours, eps=1e-2, momentum=0.3)
    provide_context(ours, context(1.0))
    x = draw(5, 7, C, mean=2.0)
    assert_same(gradients(ours, ours, x), gradients(theirs, lambda x: theirs(x, *limits), x.double()))


def test_where_nothing_is_clipped_training_is_evaluation():
    norm = build("brn:rmax=1000,dmax=1000,eps=0.5")
    norm.running_mean.copy_(draw(C, seed=6)), norm.running_var.copy_(draw(C, seed=7).square())
    provide_context(norm, context(1.0))
    x = draw(5, 7, C, mean=3.0)
    expected = norm.eval()(x)
    torch.testing.assert_close(norm.train()(x), expected, rtol=1e-5, atol=1e-5)


def test_until_begin_it_is_batch_norm():
    ours = build("brn:begin=0.4")
    theirs = nn.BatchNorm1d(C)
    theirs.load_state_dict({name: ours.state_dict()[name] for name in theirs.state_dict()})
    for step, progress in enumerate((0.0, 0.2, 0.4)):
        provide_context(ours, context(progress))
        x = draw(5, 7, C, seed=step, mean=2.0)
        expected = gradients(theirs, lambda x: theirs(x.transpose(1, 2)).transpose(1, 2), x)
        assert_same(gradients(ours, ours, x), expected)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_defaults():
    norm = build("brn")
    assert (norm.eps, norm.momentum, norm.rmax, norm.dmax, norm.begin, norm.end) == (1e-5, 0.1, 3.0, 5.0, 0.1, 0.5)


def test_a_schedule_of_no_length_is_a_step():
    norm = build("brn:begin=0.5,end=0.5")
    provide_context(norm, context(0.49))
    assert [float(limit) for limit in norm._limits(torch.float32)] == [1.0, 0.0]
    provide_context(norm, context(0.5))
    assert [float(limit) for limit in norm._limits(torch.float32)] == [3.0, 5.0]


def test_an_end_before_the_beginning():
    with pytest.raises(UserError, match=r"brn: end=0\.2 is before begin=0\.6; legal: end from 0\.6 to 1"):
        build("brn:begin=0.6,end=0.2")


def test_it_needs_the_progress_in_training():
    norm = build()
    assert norm.needs == ("progress",)
    with pytest.raises(ClnormError, match="BatchRenorm needs progress of the batch"):
        norm(draw(5, 7, C))
    assert norm.eval()(draw(5, 7, C)).isfinite().all()


def test_transductive_evaluation_is_not_corrected():
    norm = build()
    provide_context(norm, context(1.0))
    norm(draw(5, 7, C, mean=3.0))
    norm.eval().transductive = True
    x = draw(5, 7, C)
    rows = x.flatten(0, 1)
    expected = (x - rows.mean(0)) / (rows.var(0, correction=0) + 1e-2).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(norm(x), expected)


def test_state_is_kept_in_the_middle_of_the_schedule():
    norm, other = build(), build_norm(SPEC, C)
    provide_context(norm, context(0.4))
    norm(draw(5, 7, C, mean=1.0))
    other.load_state_dict(norm.state_dict())
    assert other.progress == norm.progress == torch.tensor(0.4)
    for module in (norm, other):
        provide_context(module, context(0.45))
    x = draw(5, 7, C, seed=8)
    assert torch.equal(norm(x), other(x))
    assert torch.equal(norm.running_var, other.running_var)


def test_weights_of_clips_in_the_statistics(weighing):
    norm, plain = build(), build()
    provide_context(plain, context(0.5))
    norm.statistics = weighing(1, 0, 1, 0, 0)
    provide_context(norm, context(0.5))
    x = draw(10, 7, C)
    torch.testing.assert_close(norm(x), plain(x))
    counted = x[[0, 1, 4, 5]].flatten(0, 1)
    torch.testing.assert_close(norm.running_mean, 0.3 * counted.mean(0))
    torch.testing.assert_close(norm.running_var, 0.7 + 0.3 * counted.var(0))


def test_gradients_equal_finite_differences_in_evaluation():
    norm = build().double().eval()
    assert torch.autograd.gradcheck(norm, (draw(3, 2, C).double().requires_grad_(),))


def test_precision_survives_large_means():
    norm = build("brn:rmax=1.5,dmax=0.4")
    norm.running_mean.fill_(1499.5), norm.running_var.fill_(2.0)
    theirs = Reference(norm, eps=1e-5, momentum=0.1)
    provide_context(norm, context(1.0))
    x = draw(65, 37, C, mean=1500.0)
    assert_same(gradients(norm, norm, x), gradients(theirs, lambda x: theirs(x, 1.5, 0.4), x.double()))


def test_two_forward_passes_before_one_backward():
    """The statistics that r and d came from change in between."""
    norm, x = build(), draw(5, 7, C).requires_grad_()
    provide_context(norm, context(1.0))
    y = norm(x).square().sum()
    provide_context(norm, context(0.3))
    norm(draw(5, 7, C, seed=5, mean=9.0))
    y.backward()
    alone, again = build(), x.detach().clone().requires_grad_()
    provide_context(alone, context(1.0))
    alone(again).square().sum().backward()
    torch.testing.assert_close(x.grad, again.grad)


def test_compiled_equals_eager():
    norm, compiled = build(), build()
    torch.compiler.reset()  # compiled code counts per source line, for all tests of a process
    function = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    for step, progress in enumerate((0.1, 0.3, 0.5, 0.9)):
        provide_context(norm, context(progress))
        provide_context(compiled, context(progress))
        x = draw(5, 7, C, seed=step, mean=step)
        assert_same(gradients(compiled, function, x), gradients(norm, norm, x))
        torch.testing.assert_close(compiled.running_var, norm.running_var)
    norm.eval(), compiled.eval()
    assert_same([function(x)], [norm(x)])
