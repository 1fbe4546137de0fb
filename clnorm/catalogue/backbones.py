"""The backbones."""

import clnorm.catalogue.papers as papers
from clnorm.catalogue.entry import Entry
from clnorm.catalogue.option import Option
from clnorm.catalogue.registry import Registry

_DROP_PATH = Option(0.1, "stochastic depth at the last block, rising linearly from 0", low=0.0, high=0.9)
_DROP = {
    "drop_path": _DROP_PATH,
    "drop_path_per": Option("clip", "what skips a block as one", words=("clip", "frame")),
    "dropout": Option(0.0, "dropout after attention and in the MLP", low=0.0, high=0.9),
    "ffn_bn": Option(False, "a Batch Normalization in each MLP, before its GELU, whatever the norm"),
}
_SMIF = Option(
    "pixels",
    "motion is added to the pixels, or takes the place of every second frame, of which there must be an even number",
    words=("pixels", "frames"),
)
BACKBONES = Registry("backbone", plural="backbones", given=("image_size", "num_frames"))
_VARIANTS = {
    "lsvit": ("LS-ViT as published code defines it", "LS-ViT", papers.LSVIT),
    "lsvit_signed": ("LS-ViT that sees the direction of time", "signed LS-ViT", papers.LSVIT),
    "vit": ("ViT on each frame, averaged", "ViT", papers.VIT),
}
_SIZES = {
    "nano": "width 96, depth 4, patch 8: made for CPUs",
    "tiny": "width 192, depth 12, patch 16",
    "small": "width 384, depth 12, patch 16",
    "base": "width 768, depth 12, patch 16",
}
for _variant, (_what, _title, _paper) in _VARIANTS.items():
    for _size, _shape in _SIZES.items():
        _name = f"{_variant}_{_size}"
        _options = _DROP | {"smif": _SMIF} if _variant == "lsvit_signed" else _DROP
        BACKBONES.add(
            Entry(
                _name,
                f"clnorm.models.lsvit:{_name}",
                f"{_what}; {_shape}",
                _options,
                title=f"{_title}-{_size}",
                papers=(_paper,),
            )
        )
BACKBONES.add(
    Entry(
        "resnet18",
        "clnorm.models.resnet:ResNet18",
        "ResNet-18 for small images on each frame, averaged: convolutions, as in work on images with data.frames=1",
        {"width": Option(20, "channels of the first stage", low=1, high=256)},
        title="ResNet-18",
        papers=(papers.RESNET, papers.GEM),
    )
)
BACKBONES.add(
    Entry(
        "timm",
        "clnorm.models.timm_vit:TimmViT",
        "any plain VisionTransformer of timm on each frame, averaged",
        {"drop_path": _DROP_PATH},
        takes="NAME",
        title="{word}",
        papers=(papers.VIT,),
    )
)
