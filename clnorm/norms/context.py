"""What a training loop tells norms beside the activations: whose clips these are, and how far the run has come."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from clnorm.errors import ClnormError


@dataclass(frozen=True)
class StepContext:
    """The batch that is about to pass the model.

    Args:
        tasks: (B,) int64, the experience that each clip of the batch belongs to, from 0; on the model's device.
        experience: the experience in training, from 0; its clips are the current ones, all others come from memory.
        progress: the share of the run's training steps that is done, 0 to 1.
        statistics: (B,), there too, the weight of each clip in running statistics, >= 0 and not all 0; None: all
            clips alike.
        track: whether running statistics take in this batch at all.
    """

    tasks: Tensor
    experience: int
    progress: float
    statistics: Tensor | None = None
    track: bool = True


def provide_context(model: nn.Module, context: StepContext | None) -> None:
    """Give `context` to every norm of the model that has `receive_context`; None takes it away.

    A norm that cannot do without says so in its attribute `needs`. Call it before each forward pass in training.
    """
    for module in model.modules():
        if hasattr(module, "receive_context"):
            module.receive_context(context)


@contextmanager
def in_evaluation(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; afterwards each module in the mode that it was in, and no norm with a context."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        provide_context(model, None)
        for module, training in modes.items():
            module.training = training


def take_auxiliary_loss(model: nn.Module) -> Tensor | None:
    """The sum of what norms add to the loss since it was last taken, a scalar; None where none adds anything.

    A norm that adds a loss leaves it in its attribute `auxiliary_loss` in each forward pass in training.

    Raises:
        ClnormError: what a norm has left there is neither None nor a scalar tensor.
    """
    total = None
    for module in model.modules():
        loss = getattr(module, "auxiliary_loss", None)
        if loss is None:
            continue
        if not isinstance(loss, Tensor) or loss.ndim:
            kind = f"tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise ClnormError(
                f"{type(module).__name__}.auxiliary_loss is a {kind}", legal="None or a scalar torch.Tensor"
            )
        total = loss if total is None else total + loss
        module.auxiliary_loss = None  # type: ignore[assignment]  # an attribute of the norm's own
    return total
