"""From names to a model: backbone built, weights drawn, norms swapped."""

import torch
from torch import nn

from clnorm.catalogue import BACKBONES
from clnorm.norms.swap import SwapReport, swap_norms
from clnorm.registry import Spec
from clnorm.seeding import derive_seed, torch_generator


def create_model(
    backbone: str | Spec,
    *,
    norm: str | Spec = "ln",
    num_classes: int,
    image_size: int,
    num_frames: int = 16,
    seed: int = 0,
) -> nn.Module:
    """A backbone with its norms swapped, as a plain module.

    Args:
        backbone: a name such as `"lsvit_nano"`, with options as in `"lsvit_nano:drop_path=0"`.
        norm: a name such as `"cn"` or `"cn:groups=16,axis=token"`.
        num_classes: outputs of the head.
        image_size: height and width of the frames, in pixels.
        num_frames: frames T of a clip.
        seed: of the initial weights, which do not depend on the norm.

    Returns:
        A module from clips (B, T, 3, H, W), floats in [-1, 1], to logits (B, num_classes).

    Raises:
        UserError: an unknown name or option, or sizes that do not fit together.
    """
    model, _ = create_model_with_report(
        backbone, norm=norm, num_classes=num_classes, image_size=image_size, num_frames=num_frames, seed=seed
    )
    return model


def create_model_with_report(
    backbone: str | Spec, *, norm: str | Spec, num_classes: int, image_size: int, num_frames: int, seed: int
) -> tuple[nn.Module, SwapReport]:
    """As `create_model`, with the report on each norm that was swapped."""
    spec = BACKBONES.parse(backbone)
    build = BACKBONES.get(spec.name).load()
    # torch's layers draw from the global generator as they are built. The backbone's draws are overwritten; those of a
    # plug-in norm stay, so they get a seed of their own. The caller's generator is left alone.
    with torch.random.fork_rng(devices=[]):
        model = build(num_classes=num_classes, image_size=image_size, num_frames=num_frames, **spec.kwargs)
        model.init_weights(torch_generator(seed, "initial weights"))
        torch.default_generator.manual_seed(derive_seed(seed, "norm weights"))
        return model, swap_norms(model, norm)
