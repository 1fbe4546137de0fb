"""Finds the norm whose output first became NaN or infinite."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.norms.sites.adapter import NormSite, core_of
from clnorm.seeding import hold_process

# Beyond these a square or its sum over a batch leaves float32: what came in is at fault, and not the norm.
_SANE, _SANE_STATISTIC = 1e6, 1e12


@torch.no_grad()
def find_nonfinite_site(model: nn.Module, forward: Callable[[], object]) -> str | None:
    """The first norm site that makes values that are not finite of sane ones; None where there is none.

    Sane are an input and parameters of the norm up to 1e6, and running statistics up to 1e12. Where the first site to
    fail was given more, or has learned more, weights have grown without bound, and no norm is to blame.

    That is worth a pass through the model once a loss is not finite, before the weights are updated by it: afterwards
    they are not finite either, and no norm is to blame. Running statistics are as before when this returns.

    Args:
        model: in the mode in which it failed.
        forward: passes the batch at fault through the model.

    Returns:
        Words such as `norm site 'blocks.0.norm1' (ScaleNorm)`.
    """
    found: list[str | None] = []
    sane: dict[int, bool] = {}

    def look_before(site: NormSite, inputs: tuple[Tensor, ...]) -> None:
        sane[id(site)] = _is_sane(site, inputs[0])  # before a batch goes into running statistics

    def look(site: NormSite, inputs: tuple[Tensor, ...], output: Any) -> None:
        if not found and not torch.isfinite(output).all():
            name = f"norm site {site.site!r} ({type(core_of(site.norm)).__name__})"
            found.append(name if sane[id(site)] else None)

    sites = [module for module in model.modules() if isinstance(module, NormSite)]
    hooks = [site.register_forward_pre_hook(look_before) for site in sites]
    hooks += [site.register_forward_hook(look) for site in sites]
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


def _is_sane(site: NormSite, x: Tensor) -> bool:
    """Whether an input and what a norm holds are numbers that it can be asked to compute with."""
    statistics = [buffer for buffer in site.buffers() if buffer.is_floating_point()]
    bounds = [(x, _SANE), *((p, _SANE) for p in site.parameters()), *((b, _SANE_STATISTIC) for b in statistics)]
    return all(bool((tensor.abs() <= bound).all()) for tensor, bound in bounds)  # false for NaN
