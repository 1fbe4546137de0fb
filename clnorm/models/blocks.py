"""What optimizer, freezing, checkpointing and probe ask of a backbone: its blocks, and what stands before them.

A backbone has them under timm's names: `blocks`, `patch_embed`, `cls_token`, `pos_embed`, `norm`, `head`; motion
modules are called `smif` and `lmi`, a learned position in time `time_embed`.

A class whose norm's output enters one linear layer and nothing else, with nothing but a choice or a mean of tokens
between, may say so: its `linear_after` names that layer for the norm's attribute, both within the class, and an export
folds Batch Normalization into it. It is not inherited.
"""

from torch import nn

from clnorm.errors import UserError

EMBEDDINGS = frozenset({"patch_embed", "cls_token", "reg_token", "pos_embed", "norm_pre"})
MOTION = frozenset({"smif", "lmi", "time_embed"})
_BEFORE_BLOCKS = EMBEDDINGS | {"smif", "time_embed", "pos_drop", "patch_drop"}


def read_blocks(model: nn.Module, *, option: str) -> nn.ModuleList | nn.Sequential:
    """The model's blocks, first to last.

    Args:
        model: a backbone.
        option: the configuration key that needs them, for the message.

    Raises:
        UserError: the backbone has no list of modules called `blocks`.
    """
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, (nn.ModuleList, nn.Sequential)) or not len(blocks):
        raise UserError(
            f"the backbone {type(model).__name__} has no `blocks` (an nn.ModuleList or nn.Sequential)",
            where=option,
            hint="leave it at its default, or name the backbone's list of blocks so",
        )
    return blocks


def list_parts(name: str) -> set[str]:
    """The attribute names in a parameter's or module's dotted name."""
    return set(name.split("."))


def find_first(model: nn.Module, count: int, *, option: str) -> dict[str, nn.Module]:
    """The first `count` blocks of a model and the modules before all blocks, by path; none where `count` is 0.

    Args:
        model: a backbone.
        count: how many blocks.
        option: the configuration key that chose them, for the message.

    Raises:
        UserError: the model has no `blocks`, or fewer than `count`.
    """
    if not count:
        return {}
    blocks = read_blocks(model, option=option)
    if count > len(blocks):
        what = f"{count} blocks of {type(model).__name__}, which has {len(blocks)}"
        raise UserError(what, where=option, legal=f"0 to {len(blocks)}")
    first = {id(block) for block in blocks[:count]}
    return {
        path: module
        for path, module in model.named_modules()
        if id(module) in first or path.rpartition(".")[2] in _BEFORE_BLOCKS
    }


def find_loose(model: nn.Module) -> list[nn.Parameter]:
    """The parameters before all blocks, such as a class token, that may be no module's but the model's own."""
    inside = {id(parameter) for block in read_blocks(model, option="blocks") for parameter in block.parameters()}
    named = model.named_parameters()
    return [parameter for name, parameter in named if id(parameter) not in inside and list_parts(name) & _BEFORE_BLOCKS]
