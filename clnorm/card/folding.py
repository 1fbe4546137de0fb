"""What `clnorm export` makes of a norm in the backbone of the card's runs."""

from dataclasses import dataclass

import torch

from clnorm.config.config import Config
from clnorm.deploy.simplify import largest_difference, simplify_norms
from clnorm.errors import ClnormError
from clnorm.models.create import create_model
from clnorm.norms.calibrate import calibrate_norms, find_statistics
from clnorm.norms.context import StepContext, provide_context
from clnorm.seeding import torch_generator

CLIPS = 4
_CLASSES = 10


@dataclass(frozen=True)
class Folding:
    """What became of the norm sites of a model.

    Args:
        backbone: which model.
        sites: of it.
        summary: what became of them, in a line.
        difference: the largest one of a logit, between the model and the simpler one.
        largest: the largest logit.
    """

    backbone: str
    sites: int
    summary: str
    difference: float
    largest: float


def fold_norm(config: Config) -> Folding:
    """Simplify a model of drawn weights, its running statistics those of random clips, and compare the two.

    Args:
        config: with norm, backbone and the size of its clips.

    Raises:
        ClnormError: the model cannot be built or run.
    """
    size, frames = config.data.image_size, config.data.frames
    model = create_model(
        config.backbone, norm=config.norm, num_classes=_CLASSES, image_size=size, num_frames=frames, seed=0
    )
    generator = torch_generator(0, "card")
    with torch.no_grad():  # a head of zeros would give the same logits whatever is before it
        head = model.get_submodule("head")
        for parameter in head.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    clips = torch.rand(2 * CLIPS, frames, 3, size, size, generator=generator) * 2 - 1
    if find_statistics(model):
        calibrate_norms(model, [clips[:CLIPS]])
    provide_context(model, StepContext(tasks=torch.zeros(CLIPS, dtype=torch.long), experience=0, progress=1.0))
    try:
        simple = simplify_norms(model)
        difference, largest = largest_difference(model.eval(), simple.model, clips[CLIPS:])
    except RuntimeError as error:
        raise ClnormError(f"the simpler model cannot be run ({error})", where=f"norm {config.norm.short}") from error
    sites = len(simple.group_norms) + len(simple.folded) + len(simple.kept)
    return Folding(config.backbone.short, sites, simple.summary(), difference, largest)
