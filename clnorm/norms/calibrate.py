"""Estimating running statistics anew, for norms whose inputs have changed since theirs were collected."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from clnorm.errors import ClnormError, UserError
from clnorm.norms.base import RunningNorm
from clnorm.norms.context import StepContext, in_evaluation, provide_context
from clnorm.norms.sites.adapter import NormSite


@dataclass(frozen=True)
class CalibrationReport:
    """What a calibration did.

    Args:
        sites: modules whose running statistics were estimated.
        clips: clips that they were estimated on.
    """

    sites: int
    clips: int


@torch.no_grad()
def calibrate_norms(
    model: nn.Module, batches: Iterable[Tensor], *, contexts: Iterable[StepContext] | None = None
) -> CalibrationReport:
    """Set the running statistics of a model's norms to the plain average of those of some batches.

    For the K batches, running_mean = 1/K sum_k mean_k and running_var = 1/K sum_k var_k, with the moments that the norm
    itself collects in training (unbiased variance) while the norms before it use their batch's; a smaller last batch
    counts as much as the others. Every other module is in evaluation mode, so that no dropout moves them; weights stay,
    and modes and momenta are restored; norms are left without a context. `num_batches_tracked` is then K. Frozen norms
    are estimated, too, and keep these values afterwards.

    This replaces the exponential average, which follows the last batches of training (or, with pretrained weights in a
    swapped norm, the values 0 and 1 that it starts from): "precise BN" of Wu and Johnson, "Rethinking 'Batch' in
    BatchNorm", arXiv 2105.07576, 2021.

    Args:
        model: with norms that have `running_mean` and `momentum`: clnorm's own, torch's BatchNorm, or a plug-in's.
        batches: the model's inputs, each with clips as first dimension, on the model's device.
        contexts: what norms are told of each batch; by default that of the run's first step, when there is only one
            experience.

    Raises:
        UserError: no norm has running statistics, or there is no batch.
        ClnormError: a norm with running statistics is not reached by the batches.
    """
    trackers = require_statistics(model)
    clips = 0
    at_start = ((batch, _first_context(batch)) for batch in batches)
    pairs = at_start if contexts is None else zip(batches, contexts, strict=True)
    with _tracking(model, trackers):
        for batch, context in pairs:
            provide_context(model, context)
            model(batch)
            clips += len(batch)
    if not clips:
        raise UserError("there is no clip to calibrate on", where="model.calibrate")
    if unseen := [tracker.name for tracker in trackers if not tracker.count]:
        raise ClnormError(f"norms that no batch has reached cannot be calibrated: {', '.join(unseen)}")
    return CalibrationReport(sites=len(trackers), clips=clips)


@dataclass
class _Tracker:
    """A module with running statistics, and how many batches it has seen."""

    name: str
    module: nn.Module
    momentum: Any = field(init=False)
    frozen: bool = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.momentum = self.module.momentum
        self.frozen = isinstance(self.module, RunningNorm) and self.module.frozen

    def begin(self) -> None:
        if isinstance(self.module, RunningNorm):
            self.module.momentum, self.module.calibrating = None, True
        if isinstance(counter := getattr(self.module, "num_batches_tracked", None), Tensor):
            counter.zero_()

    def step(self, *_: Any) -> None:
        """With momentum 1/k at batch k, the running average is the plain one, and forgets what was before."""
        self.count += 1
        if isinstance(self.module, RunningNorm):  # it counts by itself, for each experience where it keeps several
            self.module.frozen = False  # which a context may have set
        else:
            self.module.momentum = 1 / self.count  # type: ignore[assignment]  # a number of the module's own

    def restore(self) -> None:
        self.module.momentum = self.momentum
        if isinstance(self.module, RunningNorm):
            self.module.frozen, self.module.calibrating = self.frozen, False


def _first_context(batch: Tensor) -> StepContext:
    tasks = torch.zeros(len(batch), dtype=torch.long, device=batch.device)
    return StepContext(tasks=tasks, experience=0, progress=0.0)


def find_statistics(model: nn.Module) -> list[_Tracker]:
    """The modules of a model whose running statistics can be estimated."""
    return [
        _Tracker(name, module)
        for name, module in model.named_modules()
        if isinstance(getattr(module, "running_mean", None), Tensor) and hasattr(module, "momentum")
    ]


def require_statistics(model: nn.Module) -> list[_Tracker]:
    """The modules of a model whose running statistics can be estimated.

    Raises:
        UserError: there is none.
    """
    trackers = find_statistics(model)
    if not trackers:
        raise UserError(
            "no norm of the model has running statistics, so there is nothing to calibrate",
            where="model.calibrate",
            legal="a norm with running statistics, such as bn or cn; ln and gn have none",
            hint="leave model.calibrate=false",
        )
    return trackers


@contextmanager
def _tracking(model: nn.Module, trackers: list[_Tracker]) -> Iterator[None]:
    """The trackers, and the norm sites around them, in training mode, averaging plainly; all others in evaluation."""
    tracked = {tracker.module for tracker in trackers}
    with in_evaluation(model):
        for module in list(model.modules()):
            if module in tracked or (isinstance(module, NormSite) and tracked & set(module.modules())):
                module.train()
        hooks = [tracker.module.register_forward_pre_hook(tracker.step) for tracker in trackers]
        for tracker in trackers:
            tracker.begin()
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            for tracker in trackers:
                tracker.restore()
