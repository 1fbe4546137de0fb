"""What a norm would become in a backbone: the backbone built without data, its norms swapped, each site told."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from clnorm.catalogue import BACKBONES, NORMS
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Spec
from clnorm.errors import ClnormError, UserError
from clnorm.models.create import create_model_with_report
from clnorm.norms.calibrate import calibrate_norms
from clnorm.norms.context import StepContext, provide_context
from clnorm.norms.sites.report import SwapReport
from clnorm.seeding import derive_seed, seeded_torch, torch_generator

_CLASSES = 2  # outputs of the head, which no norm depends on
_IMAGE_SIZE, _FRAMES = Option(112, low=1), Option(8, low=1)
_FLAGS = {"data.image_size": "--image-size", "data.frames": "--frames"}  # what a backbone calls them, and we do


@dataclass(frozen=True)
class NormAudit:
    """A swap in a backbone of the catalogue.

    Args:
        backbone: with all its options.
        image_size: height and width of the frames, in pixels.
        num_frames: frames of a clip.
        swap: the report on every norm site.
        parameters: the number of elements of all parameters of the model, but for its head.
    """

    backbone: str
    image_size: int
    num_frames: int
    swap: SwapReport
    parameters: int

    def to_dict(self) -> dict[str, Any]:
        """The audit in JSON's types."""
        sizes = {"image_size": self.image_size, "num_frames": self.num_frames, "parameters": self.parameters}
        return {"backbone": self.backbone, **sizes, **self.swap.to_dict()}

    def summary(self) -> str:
        """The swap in one line, the norms' share of the parameters, and what their statistics start from."""
        own, running = sum(site.parameters for site in self.swap.sites), sum(site.running for site in self.swap.sites)
        lines = [self.swap.summary(), f"{own:,} of the {self.parameters:,} parameters beside the head are the norms'"]
        if running:
            lines.append(
                f"running statistics at {running} sites start at mean 0 and variance 1; "
                "with pretrained weights, estimate them first: --set model.calibrate=true"
            )
        return "\n".join(lines)


def audit_norms(backbone: str, norm: str, *, image_size: object = 112, num_frames: object = 8) -> NormAudit:
    """Build a backbone, swap its norms, pass random clips through it, and tell what stands where.

    Args:
        backbone: a name such as `lsvit_tiny`.
        norm: a name such as `cn` or `cn:groups=16,axis=token`.
        image_size: height and width of the frames, in pixels.
        num_frames: frames T of a clip.

    Raises:
        UserError: an unknown name or option, sizes that do not fit the backbone, or a site that the norm does not fit,
            when it is built or when activations arrive.
        ClnormError: the norm failed at a site.
    """
    spec, norm_spec = BACKBONES.parse(backbone, where="--backbone"), NORMS.parse(norm, where="--norm")
    size = int(_IMAGE_SIZE.parse(image_size, where="--image-size"))
    frames = int(_FRAMES.parse(num_frames, where="--frames"))
    model, swap = _create_model(spec, norm_spec, size=size, frames=frames)
    _pass_clips(model, size=size, frames=frames)
    counts = {name: parameter.numel() for name, parameter in model.named_parameters()}
    body = sum(count for name, count in counts.items() if name.partition(".")[0] != "head")
    return NormAudit(str(spec), size, frames, swap, body)


def _create_model(backbone: Spec, norm: Spec, *, size: int, frames: int) -> tuple[nn.Module, SwapReport]:
    """The model; an error about its sizes speaks of the command's flags."""
    try:
        model, swap, _ = create_model_with_report(
            backbone, norm=norm, num_classes=_CLASSES, image_size=size, num_frames=frames, seed=0
        )
    except UserError as error:
        error.where = _FLAGS.get(error.where or "", error.where)
        raise
    return model, swap


@torch.no_grad()
def _pass_clips(model: nn.Module, *, size: int, frames: int) -> None:
    """Two random clips in training mode, since a batch may need so many, and one of them in evaluation.

    A norm that refuses to train before its statistics are estimated gets an estimate from these clips.
    """
    clips = torch.rand(2, frames, 3, size, size, generator=torch_generator(0, "audit")) * 2 - 1
    tasks = torch.zeros(len(clips), dtype=torch.long)
    with seeded_torch(derive_seed(0, "audit")):  # drop path draws
        if any(getattr(module, "source", None) == "pretrained" for module in model.modules()):
            calibrate_norms(model, [clips])
        for training in (True, False):
            model.train(training)
            count = len(clips) if training else 1
            provide_context(model, StepContext(tasks[:count], experience=0, progress=0.0))
            try:
                model(clips[:count])
            except ClnormError as error:
                raise error.within("in training" if training else "in evaluation") from error
