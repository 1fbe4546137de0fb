"""A model cut at its head: what the head sees of each clip, and what it makes of it, in one forward pass."""

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from clnorm.execution.execution import Execution, compile_model

Pair = Callable[[Tensor], tuple[Tensor, Tensor]]


class FeaturesAndLogits(nn.Module):
    """From clips (B, T, 3, H, W) to features (B, d) and logits (B, classes): those that the model gives, bit for bit.

    Args:
        model: with `forward_features`, to what its `head` sees; its forward pass is the one after the other.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        features = cast(Callable[[Tensor], Tensor], self.model.forward_features)(clips)
        return features, cast(nn.Module, self.model.head)(features)


def cut_at_head(model: nn.Module, execution: Execution) -> Pair:
    """The forward pass of a model with what its head sees, compiled where the model is."""
    pair = FeaturesAndLogits(model)
    if execution.compile:
        compile_model(pair)
    return pair


def has_features(model: nn.Module) -> bool:
    """Whether a model can be cut at its head."""
    return callable(getattr(model, "forward_features", None)) and isinstance(getattr(model, "head", None), nn.Module)
