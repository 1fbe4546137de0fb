"""From clip ids to a model's inputs: one passage for evaluation, calibration and whatever else reads clips."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from clnorm.data.store.loader import read_batches
from clnorm.errors import ClnormError
from clnorm.execution.precision import autocast
from clnorm.norms.context import StepContext, in_evaluation, provide_context
from clnorm.norms.finite import find_nonfinite_site

if TYPE_CHECKING:
    from clnorm.data.augment.appearance import Appearance
    from clnorm.data.store.store import ClipStore


def pixels_to_input(clips: Tensor) -> Tensor:
    """Pixels (B, T, 3, H, W), uint8, as a model's input: float32 in [-1, 1]; what is no pixels is an input already."""
    return clips if clips.is_floating_point() else clips.float().mul_(2 / 255).sub_(1)


def split_batches(ids: np.ndarray, size: int) -> list[np.ndarray]:
    """Clips `ids` (n,) in batches of `size` at most, as equal as can be."""
    return np.array_split(ids, math.ceil(len(ids) / size))


@dataclass(frozen=True)
class Inputs:
    """How a run's clips become inputs of its model.

    Args:
        store: the clips.
        device: where the model is.
        context_of: from the ids of a batch to what norms are told of it; None where they are told nothing.
        appearance: what gives clips the look of their experience; None where they look as they are.
        shown: which frame clips show of each of their T equal segments, as a share of its length from 0 to 1; None:
            the middle one.
    """

    store: "ClipStore"
    device: torch.device
    context_of: Callable[[np.ndarray], StepContext] | None = None
    appearance: "Appearance | None" = None
    shown: float | None = None

    def read(self, batches: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Each batch of ids (B,) with its clips (B, T, 3, H, W), as they are evaluated, on the device."""
        draws = None
        if self.shown is not None:
            draws = np.broadcast_to(np.float32(self.shown), (len(self.store), self.store.frames))
        for ids, pixels in read_batches(self.store, batches, draws=draws):
            clips = pixels_to_input(pixels.to(self.device, non_blocking=True))
            yield ids, clips if self.appearance is None else self.appearance(clips, torch.as_tensor(ids))

    def read_for(self, model: nn.Module, batches: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, Tensor]]:
        """As `read`, when the model's norms have been told of the batch."""
        for ids, clips in self.read(batches):
            self._tell(model, ids)
            yield ids, clips

    def read_singly(self, model: nn.Module, batches: Iterable[np.ndarray]) -> Iterator[tuple[int, Tensor]]:
        """As `read_for`, each clip alone: its id, and the clip (1, T, 3, H, W)."""
        for ids, clips in self.read(batches):
            for place in range(len(ids)):
                self._tell(model, ids[place : place + 1])
                yield int(ids[place]), clips[place : place + 1]

    def _tell(self, model: nn.Module, ids: np.ndarray) -> None:
        if self.context_of is not None:
            provide_context(model, self.context_of(ids))


@torch.no_grad()
def compute_outputs(
    model: nn.Module,
    inputs: Inputs,
    batches: Iterable[np.ndarray],
    *,
    precision: str,
    forward: Callable[[Tensor], Tensor] | None = None,
) -> np.ndarray:
    """(n, ...) float32: what a model gives for each clip in evaluation mode, in the order of the batches.

    The modules are left in the modes that they were found in.

    Args:
        model: from clips (B, T, 3, H, W) to logits (B, classes).
        inputs: the passage.
        batches: arrays of ids.
        precision: of the forward pass.
        forward: what is asked of the model instead of its logits, such as `model.forward_features`.

    Raises:
        ClnormError: an output is not finite, with the norm site at which that began, if it did at one.
    """
    rows, forward = [], forward or model
    with in_evaluation(model):
        for _, clips in inputs.read_for(model, batches):
            with autocast(inputs.device, precision):
                outputs = forward(clips)
                if not torch.isfinite(outputs).all():
                    raise _not_finite(find_nonfinite_site(model, partial(forward, clips)), precision)
            rows.append(outputs.float().cpu().numpy())
    return np.concatenate(rows)


def _not_finite(site: str | None, precision: str) -> ClnormError:
    return ClnormError(
        "the model's outputs are not finite" + ("" if site is None else f", first at {site}"),
        hint="lower train.lr" + ", or use train.precision=fp32" * (precision != "fp32"),
    )
