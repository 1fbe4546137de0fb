"""LDAM-DRW: margins that grow as classes get rarer, and weights of classes in the last epochs."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.seeding import torch_generator
from clnorm.training.imbalance.base import Balancing
from clnorm.training.imbalance.losses import effective_weights, weighted_cross_entropy
from clnorm.training.setup import Setup


class LDAM(Balancing):
    """The cross-entropy of s (cos_c - [c = y] m_y) with margins m_c = M (n_min / n_c)^(1/4).

    cos_c is the cosine between the head's input and its row of class c. n_c are the distinct clips of the class at
    hand, those in memory included: the margin stands for how well so many clips generalize. From the share `defer` of
    each experience's epochs on, clips weigh by class as in Cui et al. 2019 (deferred re-weighting).

    The head stays a linear layer, so that a kept model is like any other: it has no bias, and after each step every
    row is brought to the length s / sqrt(C), with C inputs. Its outputs then rank the classes as the cosines do, and
    are s cos_c where the features have the length sqrt(C) that a norm gives them. Rows that are zero at the start, and
    so have no direction, are drawn. An average of the weights (`train.ema`) has somewhat shorter rows.

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS 2019, eq. 13,
    with the published code's scale and its normalized last layer.

    Args:
        setup: the run's parts.
        max_margin: M.
        scale: s.
        defer: share of an experience's epochs without weights; 1 never weighs.
        beta: of the weights.

    Raises:
        UserError: the model has no linear layer called `head`, or is compiled, which would pass over the hook that
            reads the head's input.
    """

    reads_forward = True

    def __init__(
        self,
        setup: Setup,
        *,
        max_margin: float = 0.5,
        scale: float = 30.0,
        defer: float = 0.8,
        beta: float = 0.9999,
    ) -> None:
        super().__init__(setup)
        self.max_margin, self.scale, self.defer, self.beta = max_margin, scale, defer, beta
        if setup.execution.compile:
            raise UserError(
                "ldam needs a model that is not compiled", where="train.imbalance", hint="use train.compile=false"
            )
        self._head = require_head(setup)
        self._features = torch.empty(0)
        self._keep_features()
        self._start_head()

    def loss(self, logits: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
        classes = logits.shape[1]
        directions = F.normalize(self._head.weight[:classes].float())
        cosines = F.normalize(self._features.float()) @ directions.T
        margins = self.margins()[targets]
        adjusted = self.scale * (cosines - F.one_hot(targets, classes) * margins[:, None])
        weights = torch.ones_like(self.shown) if self.done < self.defer else effective_weights(self.shown, self.beta)
        return weighted_cross_entropy(adjusted, targets, weights, smoothing=smoothing)

    def margins(self) -> Tensor:
        """(classes,) m_c: the largest, M, is that of the class with fewest clips."""
        counts = self.clips.clamp(min=1)  # a class without clips is no clip's target
        return self.max_margin * (self.clips[self.clips > 0].min() / counts) ** 0.25

    def after_step(self) -> None:
        self._set_lengths()

    def _keep_features(self) -> None:
        # A function, which is not copied where the model is, as a method would be with all that it belongs to.
        def keep(head: nn.Module, inputs: tuple[Any, ...]) -> None:
            if torch.is_grad_enabled() and head.training:
                self._features = inputs[0]

        self._head.register_forward_pre_hook(keep)

    @torch.no_grad()
    def _start_head(self) -> None:
        weight = self._head.weight
        drawn = torch.randn(weight.shape, generator=torch_generator(self.setup.config.seed, "cosine head"))
        empty = weight.norm(dim=1) == 0
        weight[empty] = drawn.to(weight.device)[empty]
        if self._head.bias is not None:
            self._head.bias.zero_()
        self._set_lengths()

    @torch.no_grad()
    def _set_lengths(self) -> None:
        self._head.weight.copy_(F.normalize(self._head.weight) * (self.scale / math.sqrt(self._head.in_features)))


def require_head(setup: Setup) -> nn.Linear:
    """The model's last linear layer.

    Raises:
        UserError: the model has no linear layer called `head`.
    """
    head = getattr(setup.model, "head", None)
    if not isinstance(head, nn.Linear):
        chosen = setup.config.train.imbalance.name
        raise UserError(
            f"{chosen} needs a linear layer called head, which {setup.config.backbone.name} does not have",
            where="train.imbalance",
            hint="see: clnorm list backbones",
        )
    return head
