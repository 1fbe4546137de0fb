"""Swapping every norm of a model for another, completely or not at all."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.catalogue import NORMS
from clnorm.catalogue.registry import Spec
from clnorm.errors import UserError
from clnorm.norms.running import give_statistics
from clnorm.norms.sites.adapter import CHANNELS_SECOND, NormSite, core_of
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
from clnorm.norms.statistics import Statistics

# What a norm's parameter takes over, by name; prepbn has an affine map for each of its two norms.
_COUNTERPARTS = {"weight": "weight", "bias": "bias", "layer_weight": "weight", "layer_bias": "bias"}


@dataclass(frozen=True)
class SiteReport:
    """What happened at one norm site.

    Args:
        name: the module's path in the model (the first one, where it is shared).
        kind_from: the class that stood there.
        kind_to: the class that stands there now.
        channels: C.
        axis: how tokens are viewed there; a norm that has no such option gives the same numbers on each axis.
        carried: the parameters that kept their values.
        fresh: the parameters that start anew.
        parameters: the number of elements of all parameters of the norm.
        groups: the effective number of channel groups, where the norm has groups.
        running: whether the norm has running statistics. They start anew, so that evaluation needs training or a
            calibration first.
    """

    name: str
    kind_from: str
    kind_to: str
    channels: int
    axis: str
    carried: tuple[str, ...]
    fresh: tuple[str, ...]
    parameters: int
    groups: int | None
    running: bool


@dataclass(frozen=True)
class LeftNorm:
    """A norm of the model that stands as it was: its path and its class."""

    name: str
    kind: str


@dataclass(frozen=True)
class SwapReport:
    """What a swap did: the norm with all its options, its sites in the model's order, and the norms left as they were.

    Norms are left by a partial swap only.
    """

    spec: str
    sites: tuple[SiteReport, ...]
    left: tuple[LeftNorm, ...] = ()

    @property
    def found(self) -> int:
        """The number of norms in the model."""
        return len(self.sites) + len(self.left)

    @property
    def replaced(self) -> int:
        """The number of norms replaced."""
        return len(self.sites)

    def to_dict(self) -> dict[str, Any]:
        """The report in JSON's types."""
        sites = [{**asdict(site), "carried": [*site.carried], "fresh": [*site.fresh]} for site in self.sites]
        left = [asdict(norm) for norm in self.left]
        return {"spec": self.spec, "found": self.found, "replaced": self.replaced, "sites": sites, "left": left}

    def summary(self) -> str:
        """One line: how many sites, affine parameters carried, effective groups, and what is left."""
        carried = sum(len(site.carried) for site in self.sites)
        fresh = sum(len(site.fresh) for site in self.sites)
        groups = Counter(site.groups for site in self.sites if site.groups is not None)
        effective = ", ".join(f"{count} groups at {sites}" for count, sites in groups.items())
        line = f"{self.spec}: {self.replaced} of {self.found} norms replaced, {carried} tensors carried, {fresh} fresh"
        left = ", ".join(f"{norm.name} ({norm.kind})" for norm in self.left)
        return "; ".join([line, *filter(None, [effective, left and f"left as they are: {left}"])])


def swap_norms(model: nn.Module, spec: str | Spec, *, partial: bool = False) -> SwapReport:
    """Replace every norm of a channels-last model, in place, by a `NormSite` with the norm that `spec` names.

    Sites are nn.LayerNorm and nn.RMSNorm over the last dimension, nn.BatchNorm1d and nn.GroupNorm on (S, C), their
    plain subclasses, and each `NormSite`. Attribute names, the train or eval flag, device, dtype and requires_grad are
    kept, weight and bias wherever both norms have them; running statistics start anew. A module shared by two
    attributes stays shared. Running statistics beside the sites, which the model keeps, do what those of the norm do.
    Call it before the optimizer is made.

    Activations are (B, [T,] N, C): clips first, channels last. torch's fused inference of `nn.TransformerEncoderLayer`
    and `nn.TransformerEncoder`, which knows no norm but its own, is turned off in the layers that are swapped.

    Args:
        model: changed in place.
        spec: the norm, such as `cn:groups=8`.
        partial: leave the norms that are no such site as they are, and name them in the report, instead of refusing
            the model.

    Raises:
        UserError: an unknown norm; no site; a norm that is no such site, unless `partial`; another number of norms
            than the model's attribute `expected_norm_sites`; a site that the norm cannot be built for; a parameter
            of a norm that another module shares, or hooks on a norm; an `nn.MultiheadAttention` with
            `batch_first=False`, unless positions and samples are alike to the norm. The model is then as it was.
    """
    parsed = NORMS.parse(spec)
    axis = read_axis(parsed)
    sites = find_sites(model)
    refuse_incomplete(model, sites, partial=partial)
    refuse_losses(model, sites)
    left = tuple(LeftNorm(path, type(module).__name__) for path, module in find_left(model, sites).items())
    norms = [_build_like(site, parsed, model) for site in sites]
    refuse_positions_first(model, parsed, [core_of(norm) for norm in norms])
    reports = [_carry(site, core_of(norm), axis=axis) for site, norm in zip(sites, norms, strict=True)]
    for site, norm in zip(sites, norms, strict=True):
        _install(model, site, norm, axis=axis)
    give_statistics(model, Statistics.of(parsed))
    _turn_off_fused_inference(model)
    return SwapReport(str(parsed), tuple(reports), left)


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
    )


def _install(model: nn.Module, site: Site, norm: nn.Module, *, axis: str) -> None:
    if isinstance(site.module, NormSite):
        site.module.norm, site.module.axis = norm, axis
        return
    adapter = NormSite(norm, axis, site=site.paths[0], rows_only=isinstance(site.module, CHANNELS_SECOND))
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
