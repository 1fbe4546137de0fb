"""The batches that all norms are fed, norms to be tried, and what comes out of them, compared by name."""

from dataclasses import dataclass, replace

import torch
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


def tell(norm: nn.Module, step: Step | None) -> None:
    """Give a step to the norm."""
    context = step and StepContext(torch.tensor(step.tasks), step.experience, step.progress)
    provide_context(norm, context)


def draw(*shape: int, seed: int = 0, mean: float | Tensor = 0.0) -> Tensor:
    """Normal numbers of the standard deviation 1.5."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 1.5 + mean


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
    return results(
        norm if function is None else function, x, dict(norm.named_parameters()), lambda: take_auxiliary_loss(norm)
    )


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    """Relative to the length of each; what is 0, as the gradient of what a batch does not use, is nearly so."""
    assert ours.keys() == theirs.keys()
    for name, exact in theirs.items():
        error = (ours[name].double() - exact.double()).norm()
        assert error <= tolerance * (exact.double().norm() + 0.5), f"{name}: {error} of {exact.double().norm()}"


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
