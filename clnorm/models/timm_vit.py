"""Any plain Vision Transformer of timm over frames: the backbones `timm:NAME`."""

import difflib
import inspect
from collections.abc import Mapping
from typing import ClassVar

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from clnorm.errors import UserError
from clnorm.models.vit import require_clips
from clnorm.seeding import hold_process


class TimmViT(VisionTransformer):
    """timm's Vision Transformer on each frame, its features averaged over time, before a linear head.

    Shapes: clips (B, T, 3, H, W), floats in [-1, 1], to logits (B, num_classes). It is timm's model with its names and
    switches, but for the head, which starts at zero, and for a patch projection without a bias (as in CLIP), which
    gets one of zero, so that `load_pretrained` can fold the input's conversion into it. Frames are folded into the
    batch, so that norms see (B * T, N, C), and stochastic depth draws once a frame. A norm that
    is swapped in has the eps of its own options, which is 1e-6 in timm's models too, but 1e-5 in those of CLIP.

    Args:
        name: timm's name of the model, with or without the tag of its weights.
        num_classes: outputs of the head.
        image_size: height and width of the frames, in pixels.
        num_frames: frames T of a clip.
        drop_path: stochastic depth at the last block, rising linearly from 0.

    Raises:
        UserError: timm has no plain Vision Transformer of this name, or its patch size does not divide the image size.
    """

    linear_after: ClassVar[Mapping[str, str]] = {"norm": "head", "fc_norm": "head"}

    def __init__(
        self, name: str, *, num_classes: int, image_size: int, num_frames: int, drop_path: float = 0.1
    ) -> None:
        nn.Module.__init__(self)
        check_name(name)
        # timm builds its models from their names alone; this object takes over all that it has built.
        self.__dict__.update(
            timm.create_model(name, num_classes=0, img_size=image_size, drop_path_rate=drop_path).__dict__
        )
        patch_size = max(self.patch_embed.patch_size)
        if image_size % patch_size:
            below = max(image_size // patch_size * patch_size, patch_size)
            raise UserError(
                f"{image_size} is no multiple of the patch size {patch_size} of {name}",
                where="data.image_size",
                legal=f"{below}, {below + patch_size}, ...",
            )
        self.input_shape = (num_frames, 3, image_size, image_size)
        self.head = nn.Linear(self.num_features, num_classes)
        self.num_classes = num_classes
        self.added_tensors: tuple[str, ...] = ()  # what timm's weights of this name do not have
        projection = self.patch_embed.proj
        if projection.bias is None:
            projection.bias = nn.Parameter(torch.empty(projection.out_channels))
            self.added_tensors = ("patch_embed.proj.bias",)
        self._zero_added()

    def forward(self, clips: Tensor) -> Tensor:  # type: ignore[override]  # clips, not images
        logits: Tensor = self.head(self.forward_features(clips))
        return logits

    def forward_features(self, clips: Tensor) -> Tensor:  # type: ignore[override]
        """Clips (B, T, 3, H, W) to features (B, C): what the head and nearest-mean classifiers see."""
        require_clips(clips, self.input_shape)
        tokens = super().forward_features(clips.flatten(0, 1))  # (B * T, N, C)
        frames: Tensor = super().forward_head(tokens, pre_logits=True)  # (B * T, C)
        return frames.view(*clips.shape[:2], -1).mean(dim=1)

    def init_weights(self, generator: torch.Generator) -> None:  # type: ignore[override]
        """Draw all weights anew, as timm does, from `generator`; the head starts at zero."""
        with hold_process(), torch.random.fork_rng(devices=[]):
            torch.default_generator.set_state(generator.get_state())
            super().init_weights()
        self._zero_added()

    @torch.no_grad()
    def _zero_added(self) -> None:
        for name in ("head.weight", "head.bias", *self.added_tensors):
            self.get_parameter(name).zero_()


def check_name(name: str) -> None:
    """Check that timm has a plain Vision Transformer, and weights, of this name.

    Raises:
        UserError: it has not; the nearest names are given.
    """
    model, _, tag = name.partition(".")
    known = list_timm_vits()
    if model not in known:
        near = ", ".join(difflib.get_close_matches(model, known, n=3, cutoff=0.0))
        raise UserError(
            f"timm has no plain VisionTransformer {model!r}",
            where="backbone",
            legal=f"timm:NAME, nearest: {near}",
            hint='see: timm.list_models("vit_*")',
        )
    tags = timm.list_pretrained(f"{model}.*")
    if tag and name not in tags:
        raise UserError(f"timm has no weights {name!r}", where="backbone", legal=[model, *tags], given=name)


def list_timm_vits() -> list[str]:
    """timm's names of models that are a VisionTransformer and no subclass of it, without tags."""
    return [
        name
        for module in ("vision_transformer", "deit")
        for name in timm.list_models(module=module)
        if inspect.signature(timm.model_entrypoint(name)).return_annotation is VisionTransformer
    ]
