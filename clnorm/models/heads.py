"""A head on random features: a fixed projection, a ReLU and a linear layer."""

import torch
from torch import Tensor, nn


class RandomFeatureHead(nn.Module):
    """Features (B, C) to logits (B, classes), by M random features: W max(0, P f) + b, where P does not train.

    Source: McDonnell et al., "RanPAC: Random Projections and Pre-trained Models for Continual Learning", NeurIPS 2023,
    eq. 4.

    Args:
        width: C.
        features: M.
        classes: outputs.
        generator: draws P from the standard normal distribution; without one P is zero, to be loaded.
    """

    projection: Tensor

    def __init__(self, width: int, features: int, classes: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        drawn = torch.zeros(features, width) if generator is None else torch.randn(features, width, generator=generator)
        self.register_buffer("projection", drawn)
        self.output = nn.Linear(features, classes)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    @property
    def features(self) -> int:
        """M."""
        return self.output.in_features

    def project(self, features: Tensor) -> Tensor:
        """Features (B, C) to random ones (B, M)."""
        return torch.relu(features @ self.projection.T)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.output(self.project(features))
        return logits


def count_random_features(model: nn.Module) -> int:
    """How many random features a model's head has; 0 for another head."""
    head = getattr(model, "head", None)
    return head.features if isinstance(head, RandomFeatureHead) else 0


def use_random_features(model: nn.Module, features: int, *, generator: torch.Generator | None = None) -> None:
    """Put a head on random features in the place of a model's linear head."""
    head = model.head
    if not isinstance(head, nn.Linear):
        raise TypeError(f"the head is a {type(head).__name__}, not a linear layer")
    model.head = RandomFeatureHead(head.in_features, features, head.out_features, generator=generator).to(
        head.weight.device
    )
