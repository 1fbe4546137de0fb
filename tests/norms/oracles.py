"""Each norm's equations in float64, by torch's own functions or slow loops.

An oracle takes (S, L, C) in float64, the norm's parameters by name and the step; it keeps running statistics itself.
"""

import json

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.norms.steps import STEPS, Step, results


def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, *running: Tensor, training: bool, **options: float) -> Tensor:
    """torch's, of (S, L, C); in training it moves the running statistics, where there are any."""
    mean, var = running or (None, None)
    return F.batch_norm(x.transpose(1, 2), mean, var, weight, bias, training, **options).transpose(1, 2)


def group_norm(x: Tensor, groups: int, eps: float) -> Tensor:
    return F.group_norm(x.transpose(1, 2), groups, eps=eps).transpose(1, 2)


class Oracle:
    """A norm without running statistics. `options` are those of the norm, whose buffers it starts from."""

    eps, momentum = 1e-5, 0.1

    def __init__(self, norm: nn.Module, **options: object) -> None:
        vars(self).update(options)
        self.leaves = {name: value.detach().double().requires_grad_() for name, value in norm.named_parameters()}
        self.running = [buffer.double().clone() for name, buffer in norm.named_buffers() if name.startswith("running")]
        self.loss: Tensor | None = None  # what the norm adds to the loss

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

    def parts(self, step):
        return 2 if step is STEPS[2] else 1  # of 2 current clips and 4 of the memory; the others have one part

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


ORACLES = {
    "ln:eps=1e-3": Layer,
    "rms:eps=1e-2": RMS,
    "bn": Batch,
    "bn:momentum=1.0": Batch,
    "bn_cma:reset=true,eps=1e-3": Cumulative,
    "bn_cma:reset=false,eps=1e-3": Cumulative,
    "bn_frozen:source=base,eps=1e-3,momentum=0.3": Frozen,
    "bn_task:tasks=4,eps=1e-3,momentum=0.3": PerTask,
    "brn:rmax=1.5,dmax=0.4,begin=0.2,end=0.6,momentum=0.3,eps=1e-2": Renorm,
    **{f"gn:groups={groups},eps=1e-3": Group for groups in (4, 1, 3, 12)},
    "in:eps=1e-3": Instance,
    "sn:momentum=0.3,eps=1e-2": Switchable,
    **{f"cn:groups={groups}": Continual for groups in (4, 1, 12)},
    "tbbn:momentum=0.3,eps=1e-3": TaskBalanced,
    **{f"adab2n:eps=1e-3,momentum=0.2,kappa={kappa},lam=0.7,tasks=5": Adaptive for kappa in (0.5, 0.0, 1.0)},
    "prepbn:until=0.8,momentum=0.3,eps=1e-3": Progressive,
    "dyt:alpha=0.7": Tanh,
    "derf:alpha=0.7": Erf,
    "identity": Identity,
}
FIRST = {spec.partition(":")[0]: spec for spec in reversed(ORACLES)}  # one of each norm


def oracle_of(spec: str, norm: nn.Module, **changes: float) -> Oracle:
    """The oracle with the options that the text states, and the state of `norm`."""
    pairs = (pair.split("=") for pair in spec.partition(":")[2].split(",") if pair)
    options = {name: value if value == "base" else json.loads(value) for name, value in pairs}
    return ORACLES[spec](norm, **options | changes)
