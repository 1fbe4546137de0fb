"""Freezing the first blocks of a backbone, with all that stands before them."""

from typing import Any

from avalanche.core import SupervisedPlugin
from torch import nn

from clnorm.errors import UserError
from clnorm.models.blocks import EMBEDDINGS, list_parts, read_blocks
from clnorm.training.plugin import Training

_BEFORE_BLOCKS = EMBEDDINGS | {"smif", "time_embed", "pos_drop", "patch_drop"}


def freeze_blocks(model: nn.Module, count: int) -> list[nn.Module]:
    """Switch off the gradients of the first `count` blocks, of the embeddings and of SMIF.

    No graph is built through them then, since nothing before them wants a gradient.

    Returns:
        The frozen modules, which must stay in evaluation mode if their running statistics are to stay too.

    Raises:
        UserError: the model has no `blocks`, or fewer than `count`.
    """
    blocks = read_blocks(model, option="train.freeze_blocks")
    if count > len(blocks):
        raise UserError(
            f"{count} blocks of {type(model).__name__}, which has {len(blocks)}",
            where="train.freeze_blocks",
            legal=f"0 to {len(blocks)}",
        )
    inside = {id(parameter) for parameter in blocks.parameters()}
    frozen = [*blocks[:count]]
    frozen += [module for name, module in model.named_modules() if name.rpartition(".")[2] in _BEFORE_BLOCKS]
    for module in frozen:
        module.requires_grad_(False)
    for name, parameter in model.named_parameters():
        if id(parameter) not in inside and list_parts(name) & _BEFORE_BLOCKS:
            parameter.requires_grad_(False)
    return frozen


class FreezingPlugin(SupervisedPlugin, supports_distributed=True):  # type: ignore[call-arg]
    """Keeps frozen modules in evaluation mode: no dropout, and running statistics that stay."""

    def __init__(self, frozen: list[nn.Module]) -> None:
        super().__init__()
        self.frozen = frozen

    def before_forward(self, strategy: Training, **kwargs: Any) -> None:
        for module in self.frozen:
            module.eval()
