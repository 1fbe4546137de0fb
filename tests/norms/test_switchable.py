"""SwitchableNorm against loops over the three sets of values, written from the paper's equations in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clnorm.norms import StepContext, build_norm, provide_context

C, EPS = 6, 1e-2
NAMES = ("weight", "bias", "mean_logits", "var_logits")


def draw(*shape: int, seed: int = 0, mean: float = 0.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 1.5 + mean


def build(spec: str = f"sn:eps={EPS},momentum=0.3", channels: int = C) -> nn.Module:
    norm = build_norm(spec, channels)
    with torch.no_grad():
        for seed, parameter in enumerate(norm.parameters(), start=1):
            parameter.copy_(draw(*parameter.shape, seed=seed))
    return norm


def weigh(logits: torch.Tensor) -> torch.Tensor:
    return logits.exp() / logits.exp().sum()


def spread(values: torch.Tensor) -> torch.Tensor:
    return (values - values.mean()).square().mean()


class Loops(nn.Module):
    """One sample and one channel at a time; running statistics by the unbiased variance."""

    def __init__(self, norm: nn.Module, *, eps: float, momentum: float) -> None:
        super().__init__()
        for name in NAMES:
            setattr(self, name, nn.Parameter(norm.get_parameter(name).detach().double()))
        self.mean, self.var = norm.running_mean.double().clone(), norm.running_var.double().clone()
        self.eps, self.momentum = eps, momentum

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w, v = weigh(self.mean_logits), weigh(self.var_logits)
        y = torch.empty_like(x)
        for c in range(x.shape[2]):
            batch = x[:, :, c]
            mu, var = (batch.mean(), spread(batch)) if self.training else (self.mean[c], self.var[c])
            for s in range(len(x)):
                means = w[0] * x[s, :, c].mean() + w[1] * x[s].mean() + w[2] * mu
                variances = v[0] * spread(x[s, :, c]) + v[1] * spread(x[s]) + v[2] * var
                y[s, :, c] = self.weight[c] * (x[s, :, c] - means) / (variances + self.eps).sqrt() + self.bias[c]
        if self.training:
            rows = x.detach().flatten(0, 1)
            self.mean = (1 - self.momentum) * self.mean + self.momentum * rows.mean(0)
            self.var = (1 - self.momentum) * self.var + self.momentum * rows.var(0)
        return y


def gradients(norm: nn.Module, function, x: torch.Tensor) -> list[torch.Tensor]:
    x = x.clone().requires_grad_()
    norm.zero_grad()
    y = function(x)
    y.backward(draw(*y.shape, seed=30).to(y))
    return [y.detach(), x.grad, *(norm.get_parameter(name).grad.clone() for name in NAMES)]


def assert_same(ours, theirs, tolerance: float = 1e-5) -> None:
    for one, other in zip(ours, theirs, strict=True):
        error, size = (one.double() - other.double()).norm(), other.double().norm()
        assert error < tolerance * max(
            size, 1
        )  # the gradient of three logits is small, where their shares matter little


@pytest.mark.parametrize("shape", [(4, 5, C), (4, 1, C), (1, 5, C)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_equals_loops_over_training_and_evaluation(shape, dtype, tolerance):
    ours = build().to(dtype)
    theirs = Loops(ours, eps=EPS, momentum=0.3)
    for step in range(3):
        x = draw(*shape, seed=step, mean=step).to(dtype)
        assert_same(gradients(ours, ours, x), gradients(theirs, theirs, x.double()), tolerance)
        assert_same([ours.running_mean, ours.running_var], [theirs.mean, theirs.var], tolerance)
    ours.eval(), theirs.eval()
    before = ours.running_mean.clone()
    assert_same(gradients(ours, ours, x), gradients(theirs, theirs, x.double()), tolerance)
    assert torch.equal(ours.running_mean, before)
    assert ours.num_batches_tracked == 3


@pytest.mark.parametrize("kind", ["in", "ln", "bn"])
def test_one_share_of_1_is_that_norm(kind):
    norm, x = build(), draw(4, 5, C, mean=2.0)
    with torch.no_grad():
        for logits in (norm.mean_logits, norm.var_logits):
            logits.fill_(-1e4)[["in", "ln", "bn"].index(kind)] = 0
    first = x.transpose(1, 2)
    if kind == "in":
        z = F.instance_norm(first, eps=EPS)
    elif kind == "ln":
        z = F.group_norm(first, 1, eps=EPS)
    else:
        z = F.batch_norm(first, None, None, training=True, eps=EPS)
    torch.testing.assert_close(norm(x), z.transpose(1, 2) * norm.weight + norm.bias)


def test_shares_start_equal():
    norm = build_norm("sn", C)
    assert norm.mean_logits.softmax(0).tolist() == norm.var_logits.softmax(0).tolist() == [pytest.approx(1 / 3)] * 3
    assert (norm.eps, norm.momentum) == (1e-5, 0.1)


@pytest.mark.parametrize("training", [True, False])
def test_gradients_equal_finite_differences(training):
    norm = build().double().train(training)
    names = [name for name, _ in norm.named_parameters()]

    def function(x, *parameters):
        return torch.func.functional_call(norm, dict(zip(names, parameters, strict=True)), x)

    assert torch.autograd.gradcheck(function, (draw(3, 2, C).double().requires_grad_(), *norm.parameters()))


@pytest.mark.parametrize("training", [True, False])
def test_precision_survives_large_means(training):
    norm = build("sn")
    norm.running_mean.fill_(1500.0)
    theirs = Loops(norm, eps=1e-5, momentum=0.1).train(training)
    norm.train(training)
    x = draw(8, 37, C, mean=1500.0)
    assert_same(gradients(norm, norm, x), gradients(theirs, theirs, x.double()))


def test_weights_of_clips_in_the_statistics(weighing):
    norm, plain, x = build(), build(), draw(8, 5, C)
    norm.statistics = weighing(1, 0, 1, 0)
    provide_context(norm, StepContext(torch.zeros(4), 0, 0.0))
    torch.testing.assert_close(norm(x), plain(x))
    counted = x[[0, 1, 4, 5]].flatten(0, 1)
    torch.testing.assert_close(norm.running_mean, 0.3 * counted.mean(0))
    torch.testing.assert_close(norm.running_var, 0.7 + 0.3 * counted.var(0))


def test_state_dict_round_trip():
    norm, other = build(), build_norm(f"sn:eps={EPS},momentum=0.3", C)
    norm(draw(4, 5, C, mean=1.0))
    other.load_state_dict(norm.state_dict())
    x = draw(4, 5, C, seed=8)
    for training in (True, False):
        assert torch.equal(norm.train(training)(x), other.train(training)(x))
    assert torch.equal(norm.running_var, other.running_var)


def test_evaluation_of_a_sample_does_not_depend_on_its_batch():
    norm, x = build(), draw(4, 5, C)
    norm(x)
    norm.eval()
    torch.testing.assert_close(norm(x)[1:2], norm(x[1:2]))


def test_compiled_equals_eager():
    norm, compiled = build(), build()
    torch.compiler.reset()  # compiled code counts per source line, for all tests of a process
    function = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    for step in range(2):
        x = draw(4, 5, C, seed=step, mean=step)
        assert_same(gradients(compiled, function, x), gradients(norm, norm, x))
        torch.testing.assert_close(compiled.running_var, norm.running_var)
    norm.eval(), compiled.eval()
    assert_same([function(x)], [norm(x)])
