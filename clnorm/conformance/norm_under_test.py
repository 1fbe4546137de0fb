"""The norm under test: built alike each time, fed alike, and taken through the steps of a small run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from clnorm.catalogue.registry import Spec
from clnorm.norms.calibrate import calibrate_norms
from clnorm.norms.context import StepContext, provide_context, take_auxiliary_loss
from clnorm.norms.sites.build import build_norm
from clnorm.seeding import torch_generator

SAMPLES, LENGTH = 8, 5
STEPS, EXPERIENCES = 8, 4  # of the run that a subject goes through
NOW = 3  # the step at which most checks look: in the second experience, with a batch of both before it
Call = Callable[[Tensor], Tensor]
MODES = {True: "in training", False: "in evaluation"}


@dataclass
class Outcome:
    """What a pass through a norm gave: the output, gradients of the input and parameters, and the buffers after it."""

    y: Tensor
    grads: dict[str, Tensor | None] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """All of them, each with its name in a sentence."""
        yield "the output", self.y
        for name, grad in self.grads.items():
            if grad is not None:
                yield f"the gradient of {name}", grad
        for name, buffer in self.buffers.items():
            yield f"the buffer {name}", buffer


@dataclass(frozen=True)
class NormUnderTest:
    """A norm, as it is named, and the number of its channels.

    Args:
        spec: the norm.
        num_channels: C.
        calibrated: its running statistics are estimated on a batch when it is built.
    """

    spec: Spec
    num_channels: int
    calibrated: bool = False

    def build(self, *, seed: int = 0) -> nn.Module:
        """The norm in training mode, the same each time; its parameters are moved a little from where they start."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            norm = build_norm(self.spec, self.num_channels)
        with torch.no_grad():
            for index, parameter in enumerate(norm.parameters()):
                parameter.add_(0.1 * draw(*parameter.shape, seed=1000 * (seed + 1) + index).to(parameter.dtype))
        if self.calibrated:
            calibrate_norms(norm, [self.draw(seed=seed)])
        return norm.train()

    def train(self, steps: int = NOW) -> nn.Module:
        """The norm after the first steps of a run."""
        norm = self.build()
        for index in range(steps):
            step(norm, self.draw(seed=index), index)
        return norm

    def draw(self, *, seed: int = 0, samples: int = SAMPLES, length: int = LENGTH) -> Tensor:
        """An input (samples, length, C) of channels with means and scales of their own; a new tensor each time."""
        x = draw(samples, length, self.num_channels, seed=seed)
        return x * torch.linspace(0.5, 2, self.num_channels) + torch.linspace(-1, 1, self.num_channels)


def draw(*shape: int, seed: int) -> Tensor:
    """Standard normal numbers, the same for the same seed."""
    return torch.randn(shape, generator=torch_generator(seed, "conformance"))


def create_context(index: int, clips: int) -> StepContext:
    """The context of step `index`: half of the clips are current, the others from each earlier experience."""
    experience = min(index * EXPERIENCES // STEPS, EXPERIENCES - 1)
    tasks = [clip % experience if experience and clip % 2 else experience for clip in range(clips)]
    return StepContext(
        torch.tensor(tasks), experience=experience, progress=min(index / STEPS, 1.0), has_memory=experience > 0
    )


def step(norm: nn.Module, x: Tensor, index: int, *, backward: bool = True, call: Call | None = None) -> Outcome:
    """Step `index` of training on x (S, L, C), samples as clips.

    The parameters stay, so that what changes is the norm's own doing.

    Args:
        norm: the norm, in training mode.
        x: the input; it is given as it lies in memory.
        index: which step of the run.
        backward: whether gradients are computed.
        call: what is called in the norm's place, such as its compiled form.
    """
    provide_context(norm, create_context(index, len(x)))
    return run(norm, x, backward=backward, call=call)


def run(norm: nn.Module, x: Tensor, *, backward: bool = True, call: Call | None = None) -> Outcome:
    """As `step`, in the context that the norm has, or without any."""
    x = x.detach().requires_grad_(backward)
    norm.zero_grad(set_to_none=True)
    y = (norm if call is None else call)(x)
    loss = (y.float() * draw(*y.shape, seed=99)).sum()
    auxiliary = take_auxiliary_loss(norm)
    if backward and loss.requires_grad:
        (loss if auxiliary is None else loss + auxiliary).backward()
    grads = {"x": x.grad, **{name: parameter.grad for name, parameter in norm.named_parameters()}} if backward else {}
    return Outcome(y.detach(), grads, list_state(norm))


@torch.no_grad()
def evaluate(norm: nn.Module, x: Tensor, *, tasks: Tensor | None = None, call: Call | None = None) -> Tensor:
    """The norm's output for x (S, L, C) in evaluation at step `NOW`; the mode is then as before.

    Args:
        norm: the norm.
        x: the input.
        tasks: (S,) the experience of each sample, where they are not those of `create_context`.
        call: what is called in the norm's place.
    """
    context = create_context(NOW, len(x))
    if tasks is not None:
        context = StepContext(tasks, experience=context.experience, progress=context.progress)
    provide_context(norm, context)
    training = norm.training
    norm.eval()
    y: Tensor = (norm if call is None else call)(x)
    norm.train(training)
    return y


def list_state(norm: nn.Module) -> dict[str, Tensor]:
    """Copies of the buffers, by name."""
    return {name: buffer.detach().clone() for name, buffer in norm.named_buffers()}
