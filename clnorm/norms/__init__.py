"""Normalization layers on (S, L, C) activations, the adapter that gives them that view, and the swap into a model."""

from clnorm.norms.base import Norm, RunningNorm
from clnorm.norms.context import StepContext, provide_context, take_auxiliary_loss
from clnorm.norms.sites.adapter import NormSite
from clnorm.norms.sites.build import build_norm
from clnorm.norms.sites.swap import SiteReport, SwapReport, swap_norms
from clnorm.norms.statistics import Statistics

__all__ = [
    "Norm",
    "NormSite",
    "RunningNorm",
    "SiteReport",
    "Statistics",
    "StepContext",
    "SwapReport",
    "build_norm",
    "provide_context",
    "swap_norms",
    "take_auxiliary_loss",
]
