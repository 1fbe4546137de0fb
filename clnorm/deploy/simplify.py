"""Norms of a trained model in the form that costs least when it no longer trains: the same outputs, up to rounding.

In evaluation a batch statistic is a constant. Batch Normalization is then an affine map, which the linear layer behind
it can absorb, and Continual Normalization is Group Normalization with another affine map.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from clnorm.catalogue.option import Value
from clnorm.catalogue.registry import format_spec
from clnorm.norms.base import Norm, RunningNorm
from clnorm.norms.batch import BatchNorm
from clnorm.norms.continual import ContinualNorm
from clnorm.norms.group import GroupNorm
from clnorm.norms.sites.adapter import NormSite
from clnorm.norms.sites.build import build_norm
from clnorm.norms.sites.find import Site, find_sites


@dataclass(frozen=True)
class Simplification:
    """A model with simpler norms, and what became of each norm site of the one that it is a copy of.

    Args:
        model: the copy, in evaluation mode.
        group_norms: the sites that now hold a Group Normalization, with its spec.
        folded: the sites that are gone, with the linear layer that absorbed them.
        kept: the sites that stay as they were, with the class of their norm.
    """

    model: nn.Module
    group_norms: dict[str, str]
    folded: dict[str, str]
    kept: dict[str, str]

    def summary(self) -> str:
        """One line of counts."""
        counts = {
            "ContinualNorm became GroupNorm": len(self.group_norms),
            "BatchNorm folded into the linear layer behind": len(self.folded),
            **{f"{name} kept": count for name, count in Counter(self.kept.values()).items()},
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def simplify_norms(model: nn.Module) -> Simplification:
    """A copy of a model for evaluation alone, its norms as simple as its outputs allow.

    With a = weight / sqrt(running_var + eps) and c = bias - a * running_mean:

    - Continual Normalization becomes a Group Normalization of the same groups, eps and axis with weight a and bias c.
    - Batch Normalization y = a * x + c before a linear layer W y + b is left out, and the layer becomes
      (W diag(a)) x + (b + W c): where one of clnorm's backbones or timm's ViT block has such a layer. A head that takes
      y of several sets of tokens side by side has such a W for each.
    - Every other norm stays, a Batch Normalization elsewhere or at a site that the model shares among them.
    """
    model = deepcopy(model).eval()
    group_norms: dict[str, str] = {}
    folded: dict[str, str] = {}
    kept: dict[str, str] = {}
    affine: dict[str, tuple[Tensor, Tensor]] = {}
    for site in find_sites(model):
        path = site.paths[0]
        if isinstance(site.module, NormSite) and type(site.norm) is ContinualNorm:
            options: dict[str, Value] = {"axis": site.module.axis, "eps": site.norm.eps, "groups": site.norm.groups}
            group_norms[path], affine[path] = format_spec("gn", options), _affine(site.norm)
        elif type(site.norm) is BatchNorm and (linear := _linear_after(model, site)):
            folded[path], affine[path] = linear, _affine(site.norm)
        else:
            kept[path] = type(site.norm).__name__
    restructure(model, group_norms=group_norms, folded=folded)
    for path, (scale, shift) in affine.items():
        if path in folded:
            _fold(cast(nn.Linear, model.get_submodule(folded[path])), scale, shift)
        else:
            _set(cast(GroupNorm, cast(NormSite, model.get_submodule(path)).norm), scale, shift)
    return Simplification(model, group_norms, folded, kept)


def restructure(model: nn.Module, *, group_norms: Mapping[str, str], folded: Mapping[str, str]) -> None:
    """Change a model's modules, not its numbers, as `simplify_norms` does, for its weights to be loaded into.

    Args:
        group_norms: the spec of the norm that each of these sites is to hold.
        folded: the linear layer behind each site that is to go, which then has a bias.

    Raises:
        AttributeError: the model has no such site or layer.
    """
    for path, spec in group_norms.items():
        site = cast(NormSite, model.get_submodule(path))
        old = cast(Norm, site.norm)
        site.norm = build_norm(spec, old.num_channels).to(old.weight).eval()
    for path, linear_path in folded.items():
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, nn.Identity())
        linear = cast(nn.Linear, model.get_submodule(linear_path))
        if linear.bias is None:
            linear.bias = nn.Parameter(linear.weight.new_zeros(linear.weight.shape[0]))


@torch.no_grad()
def largest_difference(model: nn.Module, exported: Callable[[Tensor], Tensor], clips: Tensor) -> tuple[float, float]:
    """The largest absolute difference between the logits of two models, and the largest absolute logit of the first.

    Args:
        clips: (B, T, 3, H, W), floats in [-1, 1].
    """
    logits = model(clips)
    return float((logits - exported(clips)).abs().max()), float(logits.abs().max())


def _linear_after(model: nn.Module, site: Site) -> str:
    """The path of the linear layer that alone takes the site's output; empty where there is none."""
    parent, _, name = site.paths[0].rpartition(".")
    owner = model.get_submodule(parent)
    after = _linear_layers(type(owner)).get(name)
    if after is None or len(site.paths) > 1 or (name == "norm" and not _pools_linearly(owner)):
        return ""
    path = f"{parent}.{after}" if parent else after
    return path if type(dict(model.named_modules()).get(path)) is nn.Linear else ""


def _linear_layers(owner: type[nn.Module]) -> Mapping[str, str]:
    """The linear layers behind norms that a class names itself; a subclass may compute otherwise and names its own."""
    if "timm" in sys.modules:  # else no model is made of its blocks, and it takes seconds to import
        from timm.models.vision_transformer import Block

        if owner is Block:
            return {"norm1": "attn.qkv", "norm2": "mlp.fc1"}
    named: Mapping[str, str] = vars(owner).get("linear_after", {})
    return named


def _pools_linearly(vit: nn.Module) -> bool:
    """Whether a timm ViT takes one token or the mean of them, and no second norm, between its norm and its head."""
    pool = getattr(vit, "global_pool", "token")  # clnorm's own take the class token
    return pool in ("token", "avg") and isinstance(getattr(vit, "fc_norm", nn.Identity()), nn.Identity)


def _affine(norm: RunningNorm) -> tuple[Tensor, Tensor]:
    """a and c of the norm's last stage in evaluation, a * x + c, (C,) each in float64."""
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - scale * norm.running_mean.double()


@torch.no_grad()
def _set(norm: GroupNorm, scale: Tensor, shift: Tensor) -> None:
    norm.weight.copy_(scale)
    norm.bias.copy_(shift)


@torch.no_grad()
def _fold(linear: nn.Linear, scale: Tensor, shift: Tensor) -> None:
    # (out, runs, C): a head may take the norm's C channels more than once, of several sets of tokens.
    weight = linear.weight.double().unflatten(1, (-1, len(scale)))
    linear.bias.copy_(linear.bias.double() + (weight @ shift).sum(dim=1))
    linear.weight.copy_((weight * scale).flatten(1))
