"""What is told of tasks: who needs them, and the loss where the experience of each clip is known."""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from clnorm.errors import UserError
from clnorm.streams.stream import ClipStream
from clnorm.training.imbalance.base import Balancing, Sampling
from clnorm.training.setup import Setup


def refuse_without_tasks(stream: ClipStream, methods: Iterable[object], *, where: str) -> None:
    """Refuse strategies and plug-ins that must be told the experience of each clip where the stream hides it.

    Args:
        stream: of the run.
        methods: with `needs_tasks = True` where they need it.
        where: the strategy as it was asked for.

    Raises:
        UserError: one needs tasks, and the stream hides them.
    """
    if stream.knows_tasks:
        return
    for method in methods:
        if getattr(method, "needs_tasks", False):
            raise UserError(
                f"{type(method).__name__} must be told the experience of each clip, which this stream hides",
                where=where,
                legal="protocol=task-incremental",
                hint="write --set protocol=task-incremental, or choose another strategy: clnorm list strategies",
            )


def create_classify(setup: Setup, balancing: Balancing) -> Callable[[Tensor, Tensor], Tensor]:
    """The mean loss of logits (B, classes allowed) for targets (B,): that of `balancing`, or of tasks that are known.

    Raises:
        UserError: tasks are known, and the method for unequal classes has a loss of its own or trains the head again.
    """
    stream, smoothing = setup.stream, setup.config.train.label_smoothing
    if not stream.knows_tasks:
        return lambda logits, targets: balancing.loss(logits, targets, smoothing=smoothing)
    if type(balancing) not in (Balancing, Sampling):
        raise UserError(
            "it weighs classes of all experiences against each other, which are none where tasks are known",
            where=f"train.imbalance {setup.config.train.imbalance.short}",
            legal="none, oversample, undersample, balanced, sqrt",
            hint="write --set train.imbalance=none, or choose another protocol",
        )
    of_output = torch.as_tensor(stream.experience_of_class[stream.order], device=setup.device)
    return partial(task_cross_entropy, of_output=of_output, smoothing=smoothing)


def task_cross_entropy(logits: Tensor, targets: Tensor, *, of_output: Tensor, smoothing: float) -> Tensor:
    """The cross-entropy among the classes of each target's own experience, a mean over clips.

    Smoothing spreads over these classes. Source of the setting: van de Ven, Tuytelaars, Tolias, "Three types of
    incremental learning", Nature Machine Intelligence 2022.

    Args:
        logits: (B, C) of the first C outputs.
        targets: (B,).
        of_output: (at least C,) the experience of each output's class.
        smoothing: share of the target spread.
    """
    own = of_output[None, : logits.shape[1]] == of_output[targets][:, None]
    log_p = logits.masked_fill(~own, -torch.inf).log_softmax(dim=1)
    likelihood = log_p.gather(1, targets[:, None])[:, 0]
    spread = torch.where(own, log_p, 0.0).sum(dim=1) / own.sum(dim=1)
    return -torch.lerp(likelihood, spread, smoothing).mean()
