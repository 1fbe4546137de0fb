"""Swapping every norm of a model for another, completely or not at all."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from clnorm.catalogue import NORMS
from clnorm.catalogue.registry import Spec, format_spec
from clnorm.errors import UserError
from clnorm.norms.running import give_statistics
from clnorm.norms.sites.adapter import NormSite, core_of
from clnorm.norms.sites.build import build_norm, read_axis
from clnorm.norms.sites.find import (
    Site,
    find_left,
    find_sites,
    first_tensor,
    refuse_incomplete,
    refuse_losses,
    refuse_positions_first,
)
from clnorm.norms.sites.report import LeftNorm, Settings, SiteReport, SwapReport
from clnorm.norms.statistics import Statistics

# What a norm's parameter takes over, by name; prepbn has an affine map for each of its two norms.
_COUNTERPARTS = {"weight": "weight", "bias": "bias", "layer_weight": "weight", "layer_bias": "bias"}


def swap_norms(
    model: nn.Module,
    spec: str | Spec,
    *,
    partial: bool = False,
    keep_settings: bool = False,
    leave: Collection[str] = (),
) -> SwapReport:
    """Replace every norm of a model, in place, by a `NormSite` with the norm that `spec` names.

    Sites are nn.LayerNorm and nn.RMSNorm over the last dimension, nn.BatchNorm1d and nn.GroupNorm on (S, C),
    nn.BatchNorm2d on images (S, C, H, W), whose positions are H * W, subclasses that change nothing but how they are
    built (timm's, too), and each `NormSite`. Attribute names, the train or eval flag, device, dtype and requires_grad
    are kept, weight and bias wherever both norms have them; running statistics start anew. A module shared by two
    attributes stays shared. Running statistics beside the sites, which the model keeps, do what those of the norm do.
    Call it before the optimizer is made.

    Other activations are (B, [T,] N, C): clips first, channels last. torch's fused inference of
    `nn.TransformerEncoderLayer` and `nn.TransformerEncoder`, which knows no norm but its own, is turned off in the
    layers that are swapped.

    Args:
        model: changed in place.
        spec: the norm, such as `cn:groups=8`.
        partial: leave the norms that are no such site as they are, and name them in the report, instead of refusing
            the model.
        keep_settings: eps and momentum stay what they were at each site, where the new norm has such an option,
            whatever `spec` says of them. Else they are those of `spec`; the report has both.
        leave: paths of modules whose norms stay as they are, and are named in the report.

    Raises:
        UserError: an unknown norm; no site, or none but those left; a norm that is no such site, unless `partial`;
            another number of norms than the model's attribute `expected_norm_sites`; a site that the norm cannot be
            built for; a setting to keep that is not legal for it; a parameter of a norm that another module shares, or
            hooks on a norm; an `nn.MultiheadAttention` with `batch_first=False`, unless positions and samples are alike
            to the norm. The model is then as it was.
    """
    parsed = NORMS.parse(spec)
    axis = read_axis(parsed)
    sites = find_sites(model)
    refuse_incomplete(model, sites, partial=partial)
    refuse_losses(model, sites)
    sites = [site for site in sites if not any(_within(path, leave) for path in site.paths)]
    if not sites:
        raise UserError("no norm is left to swap", where=type(model).__name__, hint="leave fewer modules as they are")
    left = tuple(LeftNorm(path, type(module).__name__) for path, module in find_left(model, sites).items())
    specs = [_keep_settings(site, parsed) if keep_settings else parsed for site in sites]
    norms = [_build_like(site, one, model) for site, one in zip(sites, specs, strict=True)]
    refuse_positions_first(model, parsed, [core_of(norm) for norm in norms])
    reports = [_carry(site, core_of(norm), axis=axis) for site, norm in zip(sites, norms, strict=True)]
    for site, norm in zip(sites, norms, strict=True):
        _install(model, site, norm, axis=axis)
    give_statistics(model, Statistics.of(parsed))
    _turn_off_fused_inference(model)
    return SwapReport(str(parsed), tuple(reports), left)


def _within(path: str, modules: Collection[str]) -> bool:
    """Whether a path is that of one of these modules, or leads into it."""
    return any(path == module or path.startswith(f"{module}.") for module in modules)


def read_settings(norm: nn.Module) -> Settings:
    """A norm's eps and momentum, as far as it has them; torch's RMSNorm without one has its dtype's eps."""
    settings = {name: getattr(norm, name) for name in ("eps", "momentum") if hasattr(norm, name)}
    if isinstance(norm, nn.RMSNorm) and norm.eps is None:
        like = first_tensor(norm)
        settings["eps"] = torch.finfo(torch.get_default_dtype() if like is None else like.dtype).eps
    return settings


def _keep_settings(site: Site, spec: Spec) -> Spec:
    """The norm with the eps and momentum of the one that it replaces."""
    where = f"norm site {site.paths[0]!r}"
    options = spec.kwargs
    for name, value in read_settings(site.norm).items():
        if name not in options:
            continue
        if value is None:
            what = f"{name}=None of {type(site.norm).__name__} cannot be kept: {spec.name} has no such {name}"
            hint = "swap without keep_settings, or by bn_cma, which averages all batches"
            raise UserError(what, where=where, hint=hint)
        options[name] = value
    return NORMS.parse(format_spec(spec.name, options), where=where)


def _build_like(site: Site, spec: Spec, model: nn.Module) -> nn.Module:
    """A new norm on the site's device, in its dtype and mode."""
    try:
        norm = build_norm(spec, site.width)
    except UserError as error:
        raise error.within(f"norm site {site.paths[0]!r}") from error
    like = first_tensor(site.norm)
    if like is None:
        like = first_tensor(model)
    if like is not None:
        norm = norm.to(device=like.device, dtype=like.dtype)
    return norm.train(site.norm.training)


@torch.no_grad()
def _carry(site: Site, norm: nn.Module, *, axis: str) -> SiteReport:
    """Copy weight and bias where their shapes agree; parameters without a counterpart train if any of the old did."""
    old = list(site.norm.parameters())
    trains = not old or any(parameter.requires_grad for parameter in old)
    carried, fresh = [], []
    for name, parameter in norm.named_parameters():
        source = getattr(site.norm, _COUNTERPARTS[name], None) if name in _COUNTERPARTS else None
        fixed = not parameter.requires_grad  # by the norm's own will
        if isinstance(source, Tensor) and source.shape == parameter.shape:
            parameter.copy_(source).requires_grad_(source.requires_grad and not fixed)
            carried.append(name)
        else:
            parameter.requires_grad_(trains and not fixed)
            fresh.append(name)
    groups = getattr(norm, "groups", None)
    return SiteReport(
        name=site.paths[0],
        kind_from=type(site.norm).__name__,
        kind_to=type(norm).__name__,
        channels=site.width,
        axis=axis,
        carried=tuple(carried),
        fresh=tuple(fresh),
        parameters=sum(parameter.numel() for parameter in norm.parameters()),
        groups=groups if isinstance(groups, int) else None,
        running=isinstance(getattr(norm, "running_mean", None), Tensor),
        settings_from=read_settings(site.norm),
        settings_to=read_settings(norm),
    )


def _install(model: nn.Module, site: Site, norm: nn.Module, *, axis: str) -> None:
    if isinstance(site.module, NormSite):
        site.module.norm, site.module.axis = norm, axis
        return
    adapter = NormSite(norm, axis, site=site.paths[0], takes=site.takes)
    adapter.train(site.module.training)
    for path in site.paths:
        parent, _, attribute = path.rpartition(".")
        setattr(model.get_submodule(parent), attribute, adapter)


def _turn_off_fused_inference(model: nn.Module) -> None:
    """Keep torch's transformer layers from computing their norms themselves, from raw weights, in evaluation."""
    for module in model.modules():
        if not any(isinstance(part, NormSite) for part in module.modules()):
            continue
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # no activation that the fused layer has
        elif isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
