"""What a training loop tells norms: each clip's experience, and the share of the run that is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from torch import Tensor, nn

from clnorm.errors import ClnormError, UserError
from clnorm.ranks import Part

_GONE = ("statistics", "track")  # which a norm decides by its own options


@dataclass(frozen=True)
class StepContext:
    """The batch that is about to pass the model.

    Args:
        tasks: (B,) int64, the experience that each clip of the batch belongs to, from 0; on the model's device. With a
            `part`, of all clips, those of other processes included.
        experience: the experience in training, from 0; its clips are the current ones, all others come from memory.
        progress: the share of the run's training steps that is done, 0 to 1.
        has_memory: whether clips of earlier experiences are kept, of which a batch may have none.
        part: which clips of the batch pass the model in this process, where several processes share it.

    Attributes:
        weighed: what norms have worked out of it, for those that come after.
    """

    tasks: Tensor
    experience: int
    progress: float
    has_memory: bool = field(default=False, kw_only=True)
    part: Part | None = field(default=None, kw_only=True)
    weighed: dict[str, tuple[Tensor | None, bool]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __new__(cls, *_: Any, **given: Any) -> "StepContext":
        for name in _GONE:
            if name in given:
                _refuse_gone(name)
        return super().__new__(cls)

    def of_part(self) -> "StepContext":
        """The same of the clips that pass the model in this process alone."""
        if self.part is None:
            return self
        return replace(self, tasks=self.part.take(self.tasks), part=None)

    def __getattr__(self, name: str) -> NoReturn:
        if name in _GONE:
            _refuse_gone(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _refuse_gone(name: str) -> NoReturn:
    raise UserError(
        f"a StepContext has no {name!r}: it describes the batch; which clips statistics take in is the norm's option",
        hint="give the norm its option, as in bn:update=balanced or bn:update=none; "
        "within a RunningNorm, ask self.tracked and self.tracked_weights(samples)",
    )


def provide_context(model: nn.Module, context: StepContext | None) -> None:
    """Give `context` to every norm of the model that has `receive_context`; None takes it away.

    A norm that cannot do without says so in its attribute `needs`. Call it before each forward pass in training.
    """
    for module in model.modules():
        if (receive := getattr(module, "receive_context", None)) is not None:
            receive(context)


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
