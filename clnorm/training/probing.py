"""Plasticity after each experience (`eval.plasticity`): a fixed batch passes the model in training, and is kept."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from clnorm.execution.execution import run_eagerly
from clnorm.norms.context import in_evaluation
from clnorm.norms.running import evaluate_by_batch
from clnorm.plasticity.measures import drift
from clnorm.plasticity.probe import SiteMeasures, measure_sites
from clnorm.results.folder import RunFolder
from clnorm.seeding import numpy_generator, torch_generator
from clnorm.training.optim import create_optimizer
from clnorm.training.trainer import ClipStrategy

CLIPS = 8
"""Clips of the fixed batch."""

_MOMENTS = {"drift_probe": ("mean", "var"), "drift_running": ("running_mean", "running_var")}


def keep_plasticity(strategy: ClipStrategy, folder: RunFolder, index: int) -> None:
    """Measure the model in training after experience `index`, and keep it in the run's folder.

    The batch is drawn once, from the training clips of the first experience, so that its classes are trained at each
    step. It passes the model in evaluation mode and float32, unaugmented; the loss is the cross-entropy among the
    outputs that the run trains, with its label smoothing. Nothing of the run changes by it, and it draws from
    generators of its own. The first of several processes alone measures.

    `drift_probe` and `drift_running` compare a site with itself one experience earlier; they are NaN at the first
    experience that this run trains, and where a norm has no running statistics.
    """
    setup = strategy.setup
    if not setup.ranks.first:
        return
    first = 0 if setup.config.begin.run is None else setup.config.begin.experience - 1
    before = None if index == first else folder.load_plasticity(index - 1)
    found = pd.DataFrame(asdict(measures) for measures in _measure(strategy, index))
    for column, moments in _MOMENTS.items():
        found[column] = _compare(before, found, moments)
    found.insert(0, "after", index)
    folder.save_plasticity(index, found)


def probe_ids(strategy: ClipStrategy) -> np.ndarray:
    """The clips of the fixed batch, ascending."""
    ids = strategy.given_stream.experiences[0].train_ids
    generator = numpy_generator(strategy.setup.config.seed, "probe")
    return np.sort(generator.choice(ids, size=min(CLIPS, len(ids)), replace=False))


def _measure(strategy: ClipStrategy, index: int) -> Sequence[SiteMeasures]:
    setup, model, recipe = strategy.setup, strategy.model, strategy.recipe
    ids = probe_ids(strategy)
    targets = torch.as_tensor(setup.stream.targets[ids], device=setup.device)
    groups = create_optimizer(model, recipe).param_groups
    measure = partial(
        measure_sites,
        loss=partial(
            _loss,
            targets=targets,
            seen=strategy.training_stream.seen_after(index) if recipe.loss == "seen" else None,
            smoothing=recipe.label_smoothing,
        ),
        rates={id(parameter): group["lr"] for group in groups for parameter in group["params"]},
        generator=torch_generator(setup.config.seed, "probe positions"),
    )
    # Hooks do not fire in compiled code.
    with run_eagerly(setup.execution), evaluate_by_batch(model), in_evaluation(model):
        ((_, clips),) = strategy.inputs.read_for(model, [ids])
        return measure(model, clips)


def _loss(logits: Tensor, *, targets: Tensor, seen: int | None, smoothing: float) -> Tensor:
    return F.cross_entropy(logits[:, :seen].float(), targets, label_smoothing=smoothing)


def _compare(before: pd.DataFrame | None, found: pd.DataFrame, moments: tuple[str, str]) -> list[float]:
    """The drift of each site: of the statistics that it had before, to which a norm by task adds some."""
    if before is None:
        return [float("nan")] * len(found)
    pairs = zip(*(frame[list(moments)].itertuples(index=False) for frame in (before, found)), strict=True)
    return [
        _drift(old, [moment[: len(old[0])] for moment in new]) if len(old[0]) else float("nan") for old, new in pairs
    ]


def _drift(old: Sequence[Sequence[float]], new: Sequence[Sequence[float]]) -> float:
    was, now = ([torch.tensor(np.asarray(part)) for part in pair] for pair in (old, new))
    return drift((was[0], was[1]), (now[0], now[1]))
