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
