"""Elastic Weight Consolidation with a Fisher information that does not depend on any batch size.

Source: Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017, eq. 3. The diagonal
Fisher is a mean over clips of squared gradients of *single* clips; squaring the gradient of a batch's mean instead, as
common code does, shrinks it with the batch size.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.execution.execution import run_eagerly
from clnorm.execution.inputs import split_batches
from clnorm.norms.context import in_evaluation
from clnorm.ranks import Ranks
from clnorm.training.plugin import MethodPlugin, Training
from clnorm.training.setup import Setup
from clnorm.training.trainer import ClipStrategy

Named = dict[str, Tensor]


def fisher_diagonal(
    model: nn.Module,
    samples: Iterable[tuple[Tensor, int]],
    *,
    seen: int,
    exact: bool,
    ranks: Ranks | None = None,
) -> Named:
    """The diagonal Fisher of each trainable parameter.

        empirical: F = 1/n sum_i (d log p(y_i | x_i))^2, y_i the clip's own class
        exact:     F = 1/n sum_i sum_y p(y | x_i) (d log p(y | x_i))^2, y over the classes seen

    Args:
        model: in evaluation mode.
        samples: n inputs (1, T, 3, H, W) with their targets.
        seen: how many outputs stand for classes seen so far; p is the softmax over these.
        exact: which of the two.
        ranks: the processes that each have some of the n samples; all of them get the mean over all.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    count = 0
    for clip, target in samples:
        log_p = torch.log_softmax(model(clip)[0, :seen].float(), dim=0)
        chosen = range(seen) if exact else [target]
        for label in chosen:
            weight = log_p[label].exp().item() if exact else 1.0
            retain = label != chosen[-1]
            # A parameter that a single frame, say, leaves unused has a gradient of zero.
            gradients = torch.autograd.grad(
                log_p[label], list(parameters.values()), retain_graph=retain, materialize_grads=True
            )
            for accumulated, gradient in zip(total.values(), gradients, strict=True):
                accumulated.addcmul_(gradient, gradient, value=weight)
        count += 1
    if ranks is not None and ranks.size > 1:
        count = int(ranks.sum(torch.tensor(count)))
        for accumulated in total.values():
            ranks.sum(accumulated)
    return {name: accumulated / count for name, accumulated in total.items()}


class QuadraticPenalty:
    """lam/2 sum_k sum_i F_k,i (theta_i - theta*_k,i)^2 over all past experiences k, in constant memory.

    Avalanche's own EWC has no 1/2, so that half of this lam is the same penalty there.

    The sum over k is one quadratic form, F (theta - anchor)^2 + a constant, with F = sum_k F_k and the anchor the mean
    of the theta*_k weighted by F_k; it is kept in that form, which does not cancel where theta is near the anchor.
    """

    def __init__(self, lam: float) -> None:
        self.lam = lam
        self.importance: Named = {}
        self.anchor: Named = {}
        self.constant = 0.0

    def add(self, fisher: Named, parameters: Named) -> None:
        """Anchor the parameters where they are now, with the importance `fisher`."""
        for name, added in fisher.items():
            now = parameters[name].detach().clone()
            if name not in self.importance:
                self.importance[name], self.anchor[name] = added, now
                continue
            total = self.importance[name] + added
            # Where nothing was ever important the share is 0/0; the anchor does not matter there.
            share = torch.where(total > 0, added / total, 0.0)
            moved = now - self.anchor[name]
            self.constant += (self.importance[name] * share * moved**2).sum().item()
            self.importance[name], self.anchor[name] = total, self.anchor[name] + share * moved

    def __call__(self, parameters: Named) -> Tensor:
        """The penalty at `parameters`, a scalar that gradients flow through."""
        terms = [
            (importance * (parameters[name] - self.anchor[name]) ** 2).sum()
            for name, importance in self.importance.items()
        ]
        return 0.5 * self.lam * (torch.stack(terms).sum() + self.constant)


class EWCPlugin(MethodPlugin, supports_distributed=True):
    """Adds the penalty to the loss, and measures the Fisher when an experience ends."""

    first_as_naive = True

    def __init__(self, penalty: QuadraticPenalty, *, exact: bool) -> None:
        super().__init__()
        self.penalty, self.exact = penalty, exact

    def before_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        # A state that was read back lies on the CPU.
        for held in (self.penalty.importance, self.penalty.anchor):
            held.update({name: tensor.to(strategy.device) for name, tensor in held.items()})

    def before_backward(self, strategy: Training, **kwargs: Any) -> None:
        if self.penalty.importance:
            strategy.loss += self.penalty(dict(strategy.model.named_parameters()))

    def after_training_exp(self, strategy: Training, **kwargs: Any) -> None:
        setup, ids = strategy.setup, strategy.training_stream.experiences[strategy.index].train_ids
        seen, ranks = strategy.seen_classes, strategy.ranks
        own = ids[ranks.rank :: ranks.size]
        batches = split_batches(own, setup.config.eval.batch_size) if len(own) else []
        with in_evaluation(strategy.model), run_eagerly(setup.execution):
            read = strategy.inputs.read_singly(strategy.model, batches)
            samples = ((clip, int(setup.stream.targets[clip_id])) for clip_id, clip in read)
            fisher = fisher_diagonal(strategy.model, samples, seen=seen, exact=self.exact, ranks=ranks)
        self.penalty.add(fisher, dict(strategy.model.named_parameters()))

    def state_dict(self) -> dict[str, Any]:
        held = self.penalty
        return {"importance": held.importance, "anchor": held.anchor, "constant": held.constant}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        held = self.penalty
        held.importance, held.anchor, held.constant = state["importance"], state["anchor"], state["constant"]


def ewc(setup: Setup, *, lam: float = 100.0, fisher: str = "empirical") -> ClipStrategy:
    """Elastic Weight Consolidation, one quadratic penalty accumulated over experiences."""
    return ClipStrategy(setup=setup, plugins=[EWCPlugin(QuadraticPenalty(lam), exact=fisher == "exact")])
