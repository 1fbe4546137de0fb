"""From names to a model: backbone built, weights drawn or loaded, norms swapped."""

from pathlib import Path

import torch
from torch import nn

from clnorm.catalogue import BACKBONES
from clnorm.catalogue.registry import Spec
from clnorm.models.blocks import find_first
from clnorm.models.pretrained import WeightsReport, load_pretrained
from clnorm.models.weights import Weights, read_model_weights
from clnorm.norms.sites.report import SwapReport
from clnorm.norms.sites.swap import swap_norms
from clnorm.seeding import derive_seed, seeded_torch, torch_generator


def create_model(
    backbone: str | Spec,
    *,
    norm: str | Spec = "ln",
    num_classes: int,
    image_size: int,
    num_frames: int = 16,
    seed: int = 0,
    pretrained: bool = False,
    weights: str | Path | None = None,
    input: str = "auto",  # noqa: A002
    unswapped_blocks: int = 0,
) -> nn.Module:
    """A backbone with its norms swapped, as a plain module.

    Args:
        backbone: a name such as `"lsvit_nano"`, with options as in `"lsvit_nano:drop_path=0"`.
        norm: a name such as `"cn"` or `"cn:groups=16,axis=token"`.
        num_classes: outputs of the head.
        image_size: height and width of the frames, in pixels.
        num_frames: frames T of a clip.
        seed: of the initial weights, which do not depend on the norm.
        pretrained: start from the backbone's ImageNet weights, of timm's hub.
        weights: start from the weights in this file.
        input: the mean and std that the weights want: `auto`, `half` or `imagenet`, as in `read_weights`.
        unswapped_blocks: first blocks whose norms, with those before them, stay the backbone's own.

    Returns:
        A module from clips (B, T, 3, H, W), floats in [-1, 1], to logits (B, num_classes).

    Raises:
        UserError: an unknown name or option, sizes that do not fit together, or weights that cannot be read or do not
            fit the backbone.
        ClnormError: the hub failed.
    """
    spec = BACKBONES.parse(backbone)
    model, _, _ = create_model_with_report(
        spec,
        norm=norm,
        num_classes=num_classes,
        image_size=image_size,
        num_frames=num_frames,
        seed=seed,
        weights=read_model_weights(spec.name, pretrained=pretrained, weights=weights, input=input),
        unswapped_blocks=unswapped_blocks,
    )
    return model


def create_model_with_report(
    backbone: str | Spec,
    *,
    norm: str | Spec,
    num_classes: int,
    image_size: int,
    num_frames: int,
    seed: int,
    weights: Weights | None = None,
    unswapped_blocks: int = 0,
) -> tuple[nn.Module, SwapReport, WeightsReport | None]:
    """As `create_model`, from weights that were read before, with the reports on the swap and on these weights."""
    spec = BACKBONES.parse(backbone)
    build = spec.bind()
    # torch's layers draw from the global generator as they are built, and some of timm's keep those draws, so they get
    # a seed. A plug-in norm's draws get one of their own. The caller's generator is left alone.
    with seeded_torch(derive_seed(seed, "initial weights")):
        model = build(num_classes=num_classes, image_size=image_size, num_frames=num_frames)
        model.init_weights(torch_generator(seed, "initial weights"))
        # Before the swap, which then carries the pretrained affine maps and reports it.
        report = load_pretrained(model, weights) if weights is not None else None
        torch.default_generator.manual_seed(derive_seed(seed, "norm weights"))
        leave = find_first(model, unswapped_blocks, option="train.freeze_blocks")
        return model, swap_norms(model, norm, leave=leave), report
