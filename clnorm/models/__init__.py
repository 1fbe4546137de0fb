"""The backbones, by their classes and named sizes; each is loaded when it is first used."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clnorm.models.lsvit import (
        VideoViT,
        lsvit_base,
        lsvit_nano,
        lsvit_signed_base,
        lsvit_signed_nano,
        lsvit_signed_small,
        lsvit_signed_tiny,
        lsvit_small,
        lsvit_tiny,
        vit_base,
        vit_nano,
        vit_small,
        vit_tiny,
    )
    from clnorm.models.resnet import ResNet18, resnet18
    from clnorm.models.timm_vit import TimmViT

__all__ = [
    "ResNet18",
    "TimmViT",
    "VideoViT",
    "lsvit_base",
    "lsvit_nano",
    "lsvit_signed_base",
    "lsvit_signed_nano",
    "lsvit_signed_small",
    "lsvit_signed_tiny",
    "lsvit_small",
    "lsvit_tiny",
    "resnet18",
    "vit_base",
    "vit_nano",
    "vit_small",
    "vit_tiny",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # timm's imports take seconds, and only its own models need them.
    home = {"TimmViT": "timm_vit", "ResNet18": "resnet", "resnet18": "resnet"}.get(name, "lsvit")
    return getattr(importlib.import_module(f"clnorm.models.{home}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
