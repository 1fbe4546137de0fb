"""Finds the norms of a model that can be swapped, and refuses a model with others."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor, nn

from clnorm.catalogue.registry import Spec
from clnorm.errors import UserError
from clnorm.norms.base import needs_of
from clnorm.norms.sites.adapter import CHANNELS_SECOND, NormSite, core_of
from clnorm.norms.sites.plain import find_additions, find_set_method, is_swappable_class

_TORCH_NORMS = tuple(f"torch.nn.modules.{name}" for name in ("batchnorm", "instancenorm", "normalization"))
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
# A norm of ours or a plug-in's may register these itself, when it is built; torch's do not.
_STATE_HOOKS = (
    *("_state_dict_pre_hooks", "_state_dict_hooks"),
    *("_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"),
)
_PARAMETER_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


@dataclass
class Site:
    """A place to swap: the torch norm or `NormSite` that stands there, its channels, and its paths in the model."""

    module: nn.Module
    width: int
    paths: list[str] = field(default_factory=list)

    @property
    def norm(self) -> nn.Module:
        return core_of(self.module.norm) if isinstance(self.module, NormSite) else self.module

    @property
    def takes(self) -> str:
        """What passes through it, as the `takes` of a `NormSite`."""
        if isinstance(self.module, NormSite):
            return self.module.takes
        if isinstance(self.module, nn.BatchNorm2d):
            return "images"
        return "rows" if isinstance(self.module, CHANNELS_SECOND) else "tokens"

    def rows(self, x: Tensor) -> Tensor:
        """(R, C): the positions of what passes through it, one beneath the other."""
        return (x.permute(0, 2, 3, 1) if self.takes == "images" else x).flatten(0, -2)


def find_sites(model: nn.Module) -> list[Site]:
    """The sites of a model in its own order, each once however many attributes share it."""
    sites: dict[int, Site] = {}
    for path, module in _outside_of_sites(model):
        width = _site_width(module)
        if width is not None and (path or isinstance(module, NormSite)):
            sites.setdefault(id(module), Site(module, width)).paths.append(path)
    return list(sites.values())


def _outside_of_sites(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module under each of its paths, but for those within a NormSite."""
    inner = {id(part) for module in model.modules() if isinstance(module, NormSite) for part in module.norm.modules()}
    for path, module in model.named_modules(remove_duplicate=False):
        if id(module) not in inner:
            yield path, module


def _site_width(module: nn.Module) -> int | None:
    """C of a norm that can be swapped; None where it is no such norm, or one that does more."""
    if not (isinstance(module, NormSite) or is_swappable_class(module)) or _additions(module):
        return None
    if isinstance(module, nn.BatchNorm2d):
        return module.num_features or None  # 0 while a lazy module has not seen its input
    return _inner_width(module) if isinstance(module, NormSite) else torch_width(module)


def _additions(module: nn.Module) -> str:
    """What a norm does beyond its class of torch's or ours, in words; empty where nothing is."""
    if isinstance(module, NormSite):
        if type(module).forward is not NormSite.forward:
            return "its own forward"
        return next(filter(None, map(find_set_method, (module, module.norm, core_of(module.norm)))), "")
    return find_additions(module) if is_swappable_class(module) else ""


def torch_width(module: nn.Module) -> int | None:
    """C of a norm of torch's over one dimension of channels; None where it is no such norm, or one for images."""
    if re.search("[23]d", type(module).__name__, re.IGNORECASE):
        return None
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        return module.normalized_shape[0] if len(module.normalized_shape) == 1 else None
    if isinstance(module, (nn.BatchNorm1d, nn.InstanceNorm1d, nn.SyncBatchNorm)):
        return module.num_features or None  # 0 while a lazy module has not seen its input
    return module.num_channels if isinstance(module, nn.GroupNorm) else None


def _inner_width(site: NormSite) -> int:
    width = torch_width(site.norm) or getattr(site.norm, "num_channels", None)
    if not isinstance(width, int):
        what = f"the number of channels of {type(site.norm).__name__} is unknown"
        raise UserError(what, where=f"norm site {site.site!r}", hint="give it an attribute num_channels")
    return width


def find_left(model: nn.Module, sites: list[Site]) -> dict[str, nn.Module]:
    """The norms of a model that are none of its `sites`, by each of their paths."""
    found = {id(site.module) for site in sites}
    return {
        path: module
        for path, module in _outside_of_sites(model)
        if _is_norm(module) and not any(id(part) in found for part in module.modules())
    }


def refuse_incomplete(model: nn.Module, sites: list[Site], *, partial: bool) -> None:
    """Check that `sites` are all the norms of the model, or with `partial`, some of them.

    Raises:
        UserError: a norm is no site, there is no site, or not as many norms as the model's attribute
            `expected_norm_sites`.
    """
    left = find_left(model, sites)
    if left and not (partial and sites):
        names = ", ".join(f"{path or 'the model itself'} ({_describe(module)})" for path, module in left.items())
        raise UserError(
            f"incomplete swap: {len(left)} norms cannot be replaced by a channels-last one: {names}",
            where=type(model).__name__,
            legal="nn.LayerNorm or nn.RMSNorm over the last dimension, nn.BatchNorm1d or nn.GroupNorm on (S, C), "
            "nn.BatchNorm2d, and subclasses that change nothing but how they are built",
            hint="to leave these as they are, call swap_norms with partial=True" if sites else None,
        )
    if not sites:
        raise UserError("no norm found to swap", where=type(model).__name__, legal="a model with at least one norm")
    count = len(sites) + len(left)
    expected = getattr(model, "expected_norm_sites", count)
    if count != expected:
        names = ", ".join([*(site.paths[0] for site in sites), *left])
        what = f"incomplete swap: {count} norm sites found, {expected} expected; found: {names}"
        raise UserError(what, where=type(model).__name__)


def _describe(module: nn.Module) -> str:
    """A norm's class, with what it does beyond torch's."""
    script = " as a script" if isinstance(module, torch.jit.ScriptModule) else ""
    return ": ".join(filter(None, [_class_name(module) + script, _additions(module)]))


def refuse_losses(model: nn.Module, sites: list[Site]) -> None:
    """Refuse sites that hold what a norm built anew would not have.

    Raises:
        UserError: a parameter of a norm is another module's as well, or there are hooks on a norm.
    """
    owners: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            owners.setdefault(id(parameter), []).append(f"{path}.{name}" if path else name)
    for site in sites:
        where = f"norm site {site.paths[0]!r}"
        for parameter in site.norm.parameters():
            if len(names := owners[id(parameter)]) > 1:
                what = f"a parameter is shared, which a swap would end: {', '.join(names)}"
                raise UserError(what, where=where, hint="share the whole norm, or give each one its own parameter")
        replaced = site.module.norm if isinstance(site.module, NormSite) else site.module
        kinds = (*_HOOKS, *(_STATE_HOOKS if is_swappable_class(replaced) else ()))
        hooked = any(getattr(part, hooks, None) for part in replaced.modules() for hooks in kinds)
        hooked |= any(getattr(tensor, hooks, None) for tensor in replaced.parameters() for hooks in _PARAMETER_HOOKS)
        if hooked:
            what = f"{type(site.norm).__name__} has hooks, which a swap would lose"
            raise UserError(what, where=where, hint="remove them before the swap, and register them after it")


def refuse_positions_first(model: nn.Module, spec: Spec, norms: list[nn.Module]) -> None:
    """Refuse a model whose attention takes (N, B, C), where a norm would take positions for clips.

    Only norms to which samples and positions are alike serve there: those of the token axis, or without an axis and
    without a need to know whose clips these are.

    Raises:
        UserError: there is such an attention, and the norm is no such norm.
    """
    if spec.kwargs.get("axis", "token") == "token" and not any("tasks" in needs_of(n) for n in norms):
        return
    for path, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention) and not module.batch_first:
            raise UserError(
                f"{path or 'the model'} has batch_first=False, so that {spec.name} would take positions for clips",
                where=type(model).__name__,
                legal="activations (B, [T,] N, C)",
                hint="build the model with batch_first=True, or use a norm without an axis, such as ln",
            )


def _is_norm(module: nn.Module) -> bool:
    """Whether a module is torch's norm or a site of ours, or is called one and holds tensors of its own."""
    if isinstance(module, NormSite) or is_torch_norm(module):
        return True
    return "norm" in _class_name(module).lower() and first_tensor(module, recurse=False) is not None


def _class_name(module: nn.Module) -> str:
    """The name of a module's class, of a script's the one that it was made of."""
    return module.original_name if isinstance(module, torch.jit.ScriptModule) else type(module).__name__


def is_torch_norm(module: nn.Module) -> bool:
    """Whether a module is a norm of torch's, or derived from one."""
    return any(base.__module__ in _TORCH_NORMS for base in type(module).__mro__)


def first_tensor(module: nn.Module, *, recurse: bool = True) -> Tensor | None:
    """A parameter or buffer of the module, which tells its device and dtype; None if it has none."""
    return next(chain(module.parameters(recurse), module.buffers(recurse)), None)
