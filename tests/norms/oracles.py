"""Each norm's equations in float64, by torch's own functions or slow loops, and the batches that all norms are fed.

An oracle takes (S, L, C) in float64, the norm's parameters by name and the step; it keeps running statistics itself.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.norms import StepContext, build_norm, provide_context, take_auxiliary_loss

C = 12


@dataclass(frozen=True)
class Step:
    """A batch: the experience of each of its clips, the experience in training, and the share of the run before it."""

    tasks: tuple[int, ...]
    experience: int
    progress: float

    def __len__(self) -> int:
        return len(self.tasks)

    def take(self, clips: list[int]) -> "Step":
        return replace(self, tasks=tuple(self.tasks[clip] for clip in clips))


STEPS = (
    Step((0, 0, 0, 0, 0, 0), 0, 0.0),
    Step((1, 0, 1, 1, 0, 0), 1, 0.3),
    Step((3, 1, 0, 3, 1, 0), 3, 0.5),
    Step((3, 3, 3, 3, 3, 3), 3, 0.9),
)


def tell(norm: nn.Module, step: Step | None, **statistics: object) -> None:
    """Give a step to the norm; `statistics` and `track` say what running statistics take in."""
    context = step and StepContext(torch.tensor(step.tasks), step.experience, step.progress, **statistics)
    provide_context(norm, context)


def draw(*shape: int, seed: int = 0, mean: float | Tensor = 0.0) -> Tensor:
    """Normal numbers in float64 of the standard deviation 1.5."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 1.5 + mean


def build(spec: str, channels: int = C) -> nn.Module:
    """A norm in which no parameter has its first value."""
    norm = build_norm(spec, channels)
    with torch.no_grad():
        for seed, parameter in enumerate(norm.parameters(), start=1):
            parameter.copy_(draw(*parameter.shape, seed=seed))
    return norm


def results(function, x: Tensor, parameters: dict[str, Tensor], loss=lambda: None) -> dict[str, Tensor]:
    """The output by `function`, and the gradients by x and all parameters of a drawn functional of it plus `loss()`."""
    x = x.detach().clone().requires_grad_()
    y = function(x)
    total, more = (y * draw(*y.shape, seed=30).to(y.dtype)).sum(), loss()
    leaves = [x, *parameters.values()]
    found = torch.autograd.grad(
        total if more is None else total + more, leaves, allow_unused=True, materialize_grads=True
    )
    return {"y": y.detach(), **dict(zip(["x", *parameters], found, strict=True))}


def results_of(norm: nn.Module, x: Tensor, function=None) -> dict[str, Tensor]:
    """`results` of a norm, its auxiliary loss included; `function` is the norm in another form, say compiled."""
    return results(norm if function is None else function, x, dict(norm.named_parameters()), lambda: take_auxiliary_loss(norm))


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    """Relative to the length of each; what is 0, as the gradient of what a batch does not use, is nearly so."""
    assert ours.keys() == theirs.keys()
    for name, exact in theirs.items():
        error = (ours[name].double() - exact.double()).norm()
        assert error <= tolerance * (exact.double().norm() + 0.5), f"{name}: {error} of {exact.double().norm()}"


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, *running: Tensor, training: bool, **options: float) -> Tensor:
    """torch's, of (S, L, C); in training it moves the running statistics, where there are any."""
    mean, var = running or (None, None)
    return F.batch_norm(x.transpose(1, 2), mean, var, weight, bias, training, **options).transpose(1, 2)


def group_norm(x: Tensor, groups: int, eps: float) -> Tensor:
    return F.group_norm(x.transpose(1, 2), groups, eps=eps).transpose(1, 2)


class Oracle:
    """A norm without running statistics. `options` are those of the norm, whose buffers it starts from."""

    def __init__(self, norm: nn.Module, **options: float | bool | str) -> None:
        self.options = options
        self.leaves = {name: value.detach().double().requires_grad_() for name, value in norm.named_parameters()}
        self.running = [buffer.double().clone() for name, buffer in norm.named_buffers() if name.startswith("running")]
        self.loss: Tensor | None = None  # what the norm adds to the loss

    def __getattr__(self, name: str):
        if name in self.options:
            return self.options[name]
        raise AttributeError(name)

    def train(self, x: Tensor, step: Step, **given: Tensor) -> Tensor:
        return self.evaluate(x, step, **given)

    def evaluate(self, x: Tensor, step: Step, **given: Tensor) -> Tensor:
        raise NotImplementedError

    def results(self, x: Tensor, step: Step, *, training: bool) -> dict[str, Tensor]:
        by = self.train if training else self.evaluate
        return results(lambda x: by(x, step, **self.leaves), x.double(), self.leaves, lambda: training and self.loss)


class Layer(Oracle):
    def evaluate(self, x, step, weight, bias):
        return F.layer_norm(x, (x.shape[2],), weight, bias, self.eps)


class RMS(Oracle):
    def evaluate(self, x, step, weight):
        return F.rms_norm(x, (x.shape[2],), weight, self.eps)


class Group(Oracle):
    def evaluate(self, x, step, weight, bias):
        return group_norm(x, self.groups, self.eps) * weight + bias


class Instance(Oracle):
    def evaluate(self, x, step, weight, bias):
        return F.instance_norm(x.transpose(1, 2), eps=self.eps).transpose(1, 2) * weight + bias


class Tanh(Oracle):
    def evaluate(self, x, step, weight, bias, alpha):
        return weight * (1 - 2 / (torch.exp(2 * alpha * x) + 1)) + bias


class Erf(Oracle):
    def evaluate(self, x, step, weight, bias, alpha, shift):
        return weight * torch.erf(alpha * x + shift) + bias


class Identity(Oracle):
    def evaluate(self, x, step):
        return x


class Batch(Oracle):
    def train(self, x, step, weight, bias):
        return batch_norm(x, weight, bias, *self.running, training=True, momentum=self.momentum, eps=self.eps)

    def evaluate(self, x, step, weight, bias):
        return batch_norm(x, weight, bias, *self.running, training=False, eps=self.eps)


class Cumulative(Batch):
    count, experience = 0, 0

    @property
    def momentum(self):
        return 1 / self.count

    def train(self, x, step, **given):
        self.count = 1 if self.reset and step.experience != self.experience else self.count + 1
        self.experience = step.experience
        return super().train(x, step, **given)


class Frozen(Batch):
    def train(self, x, step, **given):
        return (super().train if step.experience == 0 else self.evaluate)(x, step, **given)


class Continual(Batch):
    def train(self, x, step, **given):
        return super().train(group_norm(x, self.groups, self.eps), step, **given)

    def evaluate(self, x, step, **given):
        return super().evaluate(group_norm(x, self.groups, self.eps), step, **given)


class PerTask(Oracle):
    """A Batch Normalization for each experience, with one weight and bias; statistics are (experiences, C)."""

    def by_task(self, x, step, weight, bias, *, training):
        each, y = len(x) // len(step), torch.zeros_like(x)
        for task in sorted(set(step.tasks)):
            rows = [row for row in range(len(x)) if step.tasks[row // each] == task]
            running = [values[task] for values in self.running]
            options = {"training": training, "momentum": self.momentum, "eps": self.eps}
            y[rows] = batch_norm(x[rows], weight, bias, *running, **options)
        return y

    def train(self, x, step, **given):
        return self.by_task(x, step, **given, training=True)

    def evaluate(self, x, step, **given):
        return self.by_task(x, step, **given, training=False)


class Renorm(Batch):
    """Plain autograd through (x - mu_B) / sigma_B * r + d, with r and d taken out of the graph (Algorithm 1)."""

    def limits(self, progress):
        share = min(max((progress - self.begin) / (self.end - self.begin), 0), 1)
        return 1 + share * (self.rmax - 1), share * self.dmax

    def train(self, x, step, weight, bias):
        rmax, dmax = self.limits(step.progress)
        rows = x.flatten(0, 1)
        mu_b, sigma_b = rows.mean(0), torch.sqrt(rows.var(0, correction=0) + self.eps)
        with torch.no_grad():
            mean, var = self.running
            sigma = torch.sqrt(var + self.eps)
            r = torch.clamp(sigma_b / sigma, 1 / rmax, rmax)
            d = torch.clamp((mu_b - mean) / sigma, -dmax, dmax)
            self.clipped = r.max() == rmax and r.min() == 1 / rmax and -d.min() == d.max() == dmax
            mean += self.momentum * (mu_b - mean)
            var += self.momentum * (rows.var(0) - var)
        return weight * ((x - mu_b) / sigma_b * r + d) + bias


def _weigh(logits: Tensor) -> Tensor:
    return logits.exp() / logits.exp().sum()


def _spread(values: Tensor) -> Tensor:
    return (values - values.mean()).square().mean()


class Switchable(Oracle):
    """One sample and one channel at a time."""

    def loops(self, x, weight, bias, mean_logits, var_logits, *, training):
        w, v, y = _weigh(mean_logits), _weigh(var_logits), torch.empty_like(x)
        for c in range(x.shape[2]):
            batch = x[:, :, c]
            mu, var = (batch.mean(), _spread(batch)) if training else (values[c] for values in self.running)
            for s in range(len(x)):
                means = w[0] * x[s, :, c].mean() + w[1] * x[s].mean() + w[2] * mu
                variances = v[0] * _spread(x[s, :, c]) + v[1] * _spread(x[s]) + v[2] * var
                y[s, :, c] = weight[c] * (x[s, :, c] - means) / (variances + self.eps).sqrt() + bias[c]
        return y

    def train(self, x, step, **given):
        rows = x.detach().flatten(0, 1)
        for running, batch in zip(self.running, (rows.mean(0), rows.var(0)), strict=True):
            running.lerp_(batch, self.momentum)
        return self.loops(x, **given, training=True)

    def evaluate(self, x, step, **given):
        return self.loops(x, **given, training=False)


class TaskBalanced(Batch):
    """The definition with tensors of full size, reshaped and repeated; `parts` gives r of a step."""

    def train(self, x, step, weight, bias):
        r, positions = self.parts(step), len(x) // len(step) * x.shape[1]
        old = torch.tensor([task < step.experience for task in step.tasks])
        first = x.reshape(len(step), positions, -1).transpose(1, 2)  # (B, C, P)
        current = first[~old].reshape(-1, r * x.shape[2], positions)
        joined = torch.cat([current, first[old].repeat(1, r, 1)])  # (B_c / r + B_p, rC, P)
        y = F.batch_norm(joined, None, None, weight.repeat(r), bias.repeat(r), True, eps=self.eps)
        out = torch.empty_like(first)
        out[~old] = y[: len(current)].reshape(-1, x.shape[2], positions)
        out[old] = y[len(current) :].reshape(-1, r, x.shape[2], positions).mean(1)
        values = x.shape[0] * x.shape[1]
        moments = joined.mean((0, 2)), joined.var((0, 2), correction=0) * values / (values - 1)
        for running, batch in zip(self.running, moments, strict=True):
            running.lerp_(batch.detach().view(r, -1).mean(0), self.momentum)
        return out.transpose(1, 2).reshape(x.shape)


class Adaptive(Batch):
    """Clip by clip; kappa's momentum as a product of its own."""

    eta = None

    def moments(self, x, theta, tasks):
        present = sorted(set(tasks))
        counts = {task: tasks.count(task) for task in present}
        concentrations = {task: torch.exp(theta[task]) + counts[task] for task in present}
        total = sum(concentrations.values())
        weights = [concentrations[task] / total / counts[task] for task in tasks]
        mu = sum(weight * clip.mean(0) for weight, clip in zip(weights, x, strict=True))
        var = sum(weight * (clip - mu).square().mean(0) for weight, clip in zip(weights, x, strict=True))
        return mu, var

    def train(self, x, step, weight, bias, theta):
        mu, var = self.moments(x.reshape(len(step), -1, x.shape[2]), theta, step.tasks)
        first, decay = self.momentum**self.kappa, (1 - self.momentum) ** self.kappa
        self.eta = first if self.eta is None else self.eta / (self.eta + decay)
        for running, batch in zip(self.running, (mu, var), strict=True):
            running.lerp_(batch.detach(), self.eta)
        self.loss = self.lam * ((mu - self.running[0]).square().mean() + (var - self.running[1]).square().mean())
        return (x - mu) / (var + self.eps).sqrt() * weight + bias

    def evaluate(self, x, step, weight, bias, theta):
        return super().evaluate(x, step, weight, bias)


class Progressive(Batch):
    """lam * LN(x) + (1 - lam) * RepBN(x), where RepBN(x) = BN(x) + eta * x."""

    def train(self, x, step, weight, bias, layer_weight, layer_bias, eta):
        lam = max(1 - step.progress / self.until, 0) if self.until else 0
        layer = F.layer_norm(x, (x.shape[2],), layer_weight, layer_bias, self.eps)
        return lam * layer + (1 - lam) * (super().train(x, step, weight, bias) + eta * x)

    def evaluate(self, x, step, weight, bias, layer_weight, layer_bias, eta):
        return super().evaluate(x, step, weight, bias) + eta * x
