"""Swapping every norm of a model for another, completely or not at all."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.catalogue import NORMS
from clnorm.errors import UserError
from clnorm.norms.factory import build_norm, read_axis
from clnorm.norms.sites import Site, find_sites, first_tensor, refuse_incomplete
from clnorm.norms.views import NormSite
from clnorm.registry import Spec

_CHANNELS_IN_DIM_1 = (nn.BatchNorm1d, nn.GroupNorm)


@dataclass(frozen=True)
class SiteReport:
    """What happened at one norm site.

    Args:
        name: the module's path in the model (the first one, where it is shared).
        kind_from: the class that stood there.
        channels: C.
        carried: the parameters that kept their values.
        fresh: the parameters that start anew.
        groups: the effective number of channel groups, where the norm has groups.
    """

    name: str
    kind_from: str
    channels: int
    carried: tuple[str, ...]
    fresh: tuple[str, ...]
    groups: int | None


@dataclass(frozen=True)
class SwapReport:
    """What a swap did: the norm with all its options, and its sites in the model's order."""

    spec: str
    sites: tuple[SiteReport, ...]

    @property
    def found(self) -> int:
        """The number of norm sites in the model."""
        return len(self.sites)

    @property
    def replaced(self) -> int:
        """The number of sites with a new norm: all, since an incomplete swap is an error."""
        return len(self.sites)

    def to_dict(self) -> dict[str, Any]:
        """The report in JSON's types."""
        sites = [{**asdict(site), "carried": [*site.carried], "fresh": [*site.fresh]} for site in self.sites]
        return {"spec": self.spec, "found": self.found, "replaced": self.replaced, "sites": sites}

    def summary(self) -> str:
        """One line: how many sites, affine parameters carried, and effective groups."""
        carried = sum(len(site.carried) for site in self.sites)
        fresh = sum(len(site.fresh) for site in self.sites)
        groups = Counter(site.groups for site in self.sites if site.groups is not None)
        effective = ", ".join(f"{count} groups at {sites}" for count, sites in groups.items())
        line = f"{self.spec}: {self.replaced} of {self.found} norms replaced, {carried} tensors carried, {fresh} fresh"
        return f"{line}; {effective}" if effective else line


def swap_norms(model: nn.Module, spec: str | Spec) -> SwapReport:
    """Replace every norm of a channels-last model, in place, by a `NormSite` with the norm that `spec` names.

    Sites are nn.LayerNorm and nn.RMSNorm over the last dimension, nn.BatchNorm1d and nn.GroupNorm on (S, C), their
    plain subclasses, and each `NormSite`. Attribute names, the train or eval flag, device, dtype and requires_grad are
    kept, weight and bias wherever both norms have them; running statistics start anew. A module shared by two
    attributes stays shared. Call it before the optimizer is made.

    Raises:
        UserError: an unknown norm; no site; a norm that is no such site ("incomplete swap"); another number of sites
            than the model's attribute `expected_norm_sites`; a site that the norm cannot be built for. The model is
            then as it was.
    """
    parsed = NORMS.parse(spec)
    sites = find_sites(model)
    refuse_incomplete(model, sites)
    norms = [_build_like(site, parsed, model) for site in sites]
    reports = [_carry(site, norm) for site, norm in zip(sites, norms, strict=True)]
    for site, norm in zip(sites, norms, strict=True):
        _install(model, site, norm, axis=read_axis(parsed))
    return SwapReport(str(parsed), tuple(reports))


def _build_like(site: Site, spec: Spec, model: nn.Module) -> nn.Module:
    """A new norm on the site's device, in its dtype and mode."""
    try:
        norm = build_norm(spec, site.width)
    except UserError as error:
        raise UserError(str(error), where=f"norm site {site.paths[0]!r}") from error
    like = first_tensor(site.norm)
    if like is None:
        like = first_tensor(model)
    if like is not None:
        norm = norm.to(device=like.device, dtype=like.dtype)
    return norm.train(site.norm.training)


@torch.no_grad()
def _carry(site: Site, norm: nn.Module) -> SiteReport:
    """Copy weight and bias where their shapes agree; parameters without a counterpart train if any of the old did."""
    old = list(site.norm.parameters())
    trains = not old or any(parameter.requires_grad for parameter in old)
    carried, fresh = [], []
    for name, parameter in norm.named_parameters():
        source = getattr(site.norm, name, None) if name in ("weight", "bias") else None
        if isinstance(source, Tensor) and source.shape == parameter.shape:
            parameter.copy_(source).requires_grad_(source.requires_grad)
            carried.append(name)
        else:
            parameter.requires_grad_(trains)
            fresh.append(name)
    groups = getattr(norm, "groups", None)
    return SiteReport(
        name=site.paths[0],
        kind_from=type(site.norm).__name__,
        channels=site.width,
        carried=tuple(carried),
        fresh=tuple(fresh),
        groups=groups if isinstance(groups, int) else None,
    )


def _install(model: nn.Module, site: Site, norm: nn.Module, *, axis: str) -> None:
    if isinstance(site.module, NormSite):
        site.module.norm, site.module.axis = norm, axis
        return
    adapter = NormSite(norm, axis, site=site.paths[0], rows_only=isinstance(site.module, _CHANNELS_IN_DIM_1))
    adapter.train(site.module.training)
    for path in site.paths:
        parent, _, attribute = path.rpartition(".")
        setattr(model.get_submodule(parent), attribute, adapter)
