"""Finds the norm whose output first became NaN or infinite."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.norms.sites.adapter import NormSite, core_of
from clnorm.seeding import hold_process


@torch.no_grad()
def find_nonfinite_site(model: nn.Module, forward: Callable[[], object]) -> str | None:
    """The first norm site whose output is not finite though its input is; None where there is none.

    That is worth a pass through the model once a loss is not finite, before the weights are updated by it: afterwards
    they are not finite either, and no norm is to blame. Running statistics are as before when this returns.

    Args:
        model: in the mode in which it failed.
        forward: passes the batch at fault through the model.

    Returns:
        Words such as `norm site 'blocks.0.norm1' (ScaleNorm)`.
    """
    found: list[str] = []

    def look(site: NormSite, inputs: tuple[Tensor, ...], output: Any) -> None:
        if not found and torch.isfinite(inputs[0]).all() and not torch.isfinite(output).all():
            found.append(f"norm site {site.site!r} ({type(core_of(site.norm)).__name__})")

    hooks = [module.register_forward_hook(look) for module in model.modules() if isinstance(module, NormSite)]
    before = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with hold_process(), torch.compiler.set_stance("force_eager"):  # what is compiled already runs no hooks
            forward()
    finally:
        for hook in hooks:
            hook.remove()
        for buffer, value in before:
            buffer.copy_(value)
    return found[0] if found else None
