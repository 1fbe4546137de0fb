"""Which kernel computes attention, in clnorm's backbones and in timm's."""

import torch
from torch import nn

from clnorm.errors import UserError
from clnorm.models.vit import Attention


def set_attention(model: nn.Module, *, fused: bool) -> None:
    """Let every attention of a model use torch's fused kernel, or matrix products written out.

    Both give the same up to rounding. On some CPUs the second is the faster one in bf16.

    Raises:
        UserError: the explicit form of a model whose attention has no such switch.
    """
    switches = list_switches(model)
    if not switches and not fused:
        raise UserError(
            f"no attention in {type(model).__name__} has a switch `fused` or `fused_attn`",
            where="train.attention",
            legal="auto|fused",
        )
    for module, attribute in switches:
        setattr(module, attribute, fused)


def settle_attention(attention: str, model: nn.Module, *, precision: str, device: torch.device) -> str:
    """What `auto` is: explicit in bf16 on a CPU, where a step took less time so (`benchmarks/step.py`), else fused."""
    if attention != "auto":
        return attention
    return "explicit" if precision == "bf16" and device.type == "cpu" and list_switches(model) else "fused"


def list_switches(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Every attention module with the name of its switch: `fused`, or timm's `fused_attn`."""
    own = [(module, "fused") for module in model.modules() if isinstance(module, Attention)]
    return own + [(module, "fused_attn") for module in model.modules() if hasattr(module, "fused_attn")]
