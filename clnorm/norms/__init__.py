"""Normalization layers on (S, L, C) activations, the adapter that gives them that view, and the swap into a model."""

from clnorm.norms.adaptive import AdaptiveBalancedBatchNorm
from clnorm.norms.base import Norm, RunningNorm
from clnorm.norms.batch import BatchNorm
from clnorm.norms.context import StepContext, provide_context, take_auxiliary_loss
from clnorm.norms.continual import ContinualNorm
from clnorm.norms.cumulative import CumulativeBatchNorm
from clnorm.norms.frozen import FrozenBatchNorm
from clnorm.norms.group import GroupNorm, InstanceNorm
from clnorm.norms.identity import Identity
from clnorm.norms.layer import LayerNorm
from clnorm.norms.per_task import TaskBatchNorm
from clnorm.norms.pointwise import DynamicErf, DynamicTanh
from clnorm.norms.progressive import ProgressiveBatchNorm
from clnorm.norms.renorm import BatchRenorm
from clnorm.norms.rms import RMSNorm
from clnorm.norms.sites.adapter import NormSite
from clnorm.norms.sites.build import build_norm
from clnorm.norms.sites.report import SiteReport, SwapReport
from clnorm.norms.sites.swap import swap_norms
from clnorm.norms.statistics import Statistics
from clnorm.norms.switchable import SwitchableNorm
from clnorm.norms.task_balanced import TaskBalancedBatchNorm

__all__ = [
    "AdaptiveBalancedBatchNorm",
    "BatchNorm",
    "BatchRenorm",
    "ContinualNorm",
    "CumulativeBatchNorm",
    "DynamicErf",
    "DynamicTanh",
    "FrozenBatchNorm",
    "GroupNorm",
    "Identity",
    "InstanceNorm",
    "LayerNorm",
    "Norm",
    "NormSite",
    "ProgressiveBatchNorm",
    "RMSNorm",
    "RunningNorm",
    "SiteReport",
    "Statistics",
    "StepContext",
    "SwapReport",
    "SwitchableNorm",
    "TaskBalancedBatchNorm",
    "TaskBatchNorm",
    "build_norm",
    "provide_context",
    "swap_norms",
    "take_auxiliary_loss",
]
