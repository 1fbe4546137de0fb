"""How much parameters matter: means of gradients over an experience's clips, each clip's own or a batch's."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from clnorm.execution.execution import run_eagerly
from clnorm.execution.inputs import split_batches
from clnorm.norms.context import in_evaluation
from clnorm.ranks import Ranks
from clnorm.strategies.quadratic import Named, trained_parameters
from clnorm.training.plugin import Training

# From logits (B, classes) and targets (B,) to the scalars whose gradients count, each with its weight.
Scalars = Callable[[Tensor, Tensor], Sequence[tuple[Tensor, float]]]


def mean_gradients(
    model: nn.Module,
    samples: Iterable[tuple[Tensor, Tensor]],
    scalars: Scalars,
    *,
    power: int,
    ranks: Ranks | None = None,
) -> Named:
    """1/n sum_i sum_s w_is |d s / d theta|^power of each trainable parameter, over n samples and the scalars s of each.

    Args:
        model: in evaluation mode.
        samples: n inputs (B, T, 3, H, W) with their targets (B,); B is 1 for a mean over clips.
        scalars: of a sample.
        power: 1 or 2.
        ranks: the processes that each have some of the n samples; all of them get the mean over all.
    """
    parameters = trained_parameters(model)
    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    count = 0
    for clips, targets in samples:
        chosen = scalars(model(clips), targets)
        for place, (scalar, weight) in enumerate(chosen, start=1):
            # A parameter that a single frame, say, leaves unused has a gradient of zero.
            gradients = torch.autograd.grad(
                scalar, list(parameters.values()), retain_graph=place < len(chosen), materialize_grads=True
            )
            for accumulated, gradient in zip(total.values(), gradients, strict=True):
                if power == 2:
                    accumulated.addcmul_(gradient, gradient, value=weight)
                else:
                    accumulated.add_(gradient.abs(), alpha=weight)
        count += 1
    if ranks is not None and ranks.size > 1:
        count = int(ranks.sum(torch.tensor(count)))
        for accumulated in total.values():
            ranks.sum(accumulated)
    return {name: accumulated / count for name, accumulated in total.items()}


def mean_gradients_of_clips(strategy: Training, scalars: Scalars, *, power: int) -> Named:
    """`mean_gradients` over the clips of the experience in training, each alone, read as they are evaluated."""
    ids, ranks = _own_ids(strategy), strategy.ranks
    own = ids[ranks.rank :: ranks.size]
    batches = split_batches(own, strategy.setup.config.eval.batch_size) if len(own) else []
    targets = torch.as_tensor(strategy.setup.stream.targets, device=strategy.device)
    with in_evaluation(strategy.model), run_eagerly(strategy.setup.execution):
        read = strategy.inputs.read_singly(strategy.model, batches)
        samples = ((clip, targets[clip_id : clip_id + 1]) for clip_id, clip in read)
        return mean_gradients(strategy.model, samples, scalars, power=power, ranks=ranks)


def mean_gradients_of_batches(strategy: Training, scalars: Scalars, *, power: int) -> Named:
    """The same over batches of `train.batch_size` clips in the experience's order, the last one with what is left."""
    ids, size, ranks = _own_ids(strategy), strategy.setup.config.train.batch_size, strategy.ranks
    batches = [ids[start : start + size] for start in range(0, len(ids), size)][ranks.rank :: ranks.size]
    targets = torch.as_tensor(strategy.setup.stream.targets, device=strategy.device)
    with in_evaluation(strategy.model), run_eagerly(strategy.setup.execution):
        read = strategy.inputs.read_for(strategy.model, batches)
        samples = ((clips, targets[torch.as_tensor(batch)]) for batch, clips in read)
        return mean_gradients(strategy.model, samples, scalars, power=power, ranks=ranks)


def outputs_in_training(strategy: Training) -> slice:
    """The outputs that training tells the experience's clips apart by: all seen, or its own where tasks are known."""
    stream, index = strategy.training_stream, strategy.index
    first = stream.seen_after(index - 1) if stream.knows_tasks and index else 0
    return slice(first, strategy.seen_classes)


def _own_ids(strategy: Training) -> np.ndarray:
    ids: np.ndarray = strategy.training_stream.experiences[strategy.index].train_ids
    return ids
