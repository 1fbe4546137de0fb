"""Freezing the first blocks of a backbone, with all that stands before them."""

from typing import Any

from avalanche.core import SupervisedPlugin
from torch import nn

from clnorm.errors import UserError
from clnorm.models.blocks import find_first, find_loose
from clnorm.norms.base import needs_of
from clnorm.training.plugin import Training
from clnorm.training.setup import Setup

_MIXES = ("none", "mixup")
"""Mixes that need no pixels: a mean of two clips is one of whatever is kept of them."""


def freeze(setup: Setup) -> list[nn.Module]:
    """Freeze what a run's configuration says.

    Returns:
        As `freeze_blocks`; nothing where no block is frozen.

    Raises:
        UserError: as `freeze_blocks`; or outputs of frozen blocks are to be kept that are not the same in each epoch.
    """
    model, recipe = setup.model, setup.config.train
    if not recipe.freeze_blocks:
        return []
    frozen = freeze_blocks(model, recipe.freeze_blocks)
    if recipe.keep_frozen:
        _refuse_unkept(setup, frozen)
    return frozen


def _refuse_unkept(setup: Setup, frozen: list[nn.Module]) -> None:
    """Refuse to keep outputs of frozen blocks where the same clip has others at another time."""
    config, where = setup.config, "train.keep_frozen"
    if not hasattr(setup.model, "forward_first"):
        what = f"the backbone {config.backbone.name} has no method forward_first, which gives what blocks make of clips"
        raise UserError(what, where=where, legal="vit, lsvit and lsvit_signed of any size")
    changes = {
        f"data.augment={config.data.augment.name}": config.data.augment.name != "none",
        f"data.mix={config.data.mix.name}": config.data.mix.name not in _MIXES,
        "data.jitter=true": config.data.jitter,
        f"eval.views={config.eval.views}": config.eval.views > 1,
        f"protocol={config.protocol.name}, which changes how clips look": bool(setup.stream.looks),
    }
    if given := [text for text, changed in changes.items() if changed]:
        what = f"a clip looks otherwise each time that it is shown, by {', '.join(given)}"
        legal = "data.augment=none, data.mix=none or mixup, data.jitter=false and eval.views=1"
        raise UserError(what, where=where, legal=legal, hint="set these, or leave it out")
    inside = [part for module in frozen for part in module.modules()]
    told = {type(part).__name__ for part in inside if needs_of(part) or hasattr(part, "running_mean")}
    if told:
        what = f"{', '.join(sorted(told))} in frozen blocks, which has running statistics or is told of each batch"
        hint = "leave it out" if config.unswapped_blocks else "add --set model.swap=trained"
        raise UserError(what, where=where, legal="norms by sample there", hint=hint)


def freeze_blocks(model: nn.Module, count: int) -> list[nn.Module]:
    """Switch off the gradients of the first `count` blocks, of the embeddings and of SMIF.

    No graph is built through them then, since nothing before them wants a gradient.

    Returns:
        The frozen modules, which must stay in evaluation mode if their running statistics are to stay too.

    Raises:
        UserError: the model has no `blocks`, or fewer than `count`.
    """
    frozen = [*find_first(model, count, option="train.freeze_blocks").values()]
    for module in frozen:
        module.requires_grad_(False)
    for parameter in find_loose(model):
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
