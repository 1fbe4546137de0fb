"""`create_model` with pretrained weights asked for in each way."""

import pytest
import safetensors.torch
import timm
import torch

from clnorm import create_model
from clnorm.errors import UserError
from clnorm.models import weights as module

SIZES = {"num_classes": 3, "image_size": 32, "num_frames": 2}


@pytest.fixture
def source():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = timm.models.vision_transformer.VisionTransformer(
            img_size=32, patch_size=8, embed_dim=96, depth=4, num_heads=3, num_classes=10
        )
    model.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    return model


@pytest.fixture
def file(source, tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(source.state_dict(), path)
    return path


def test_a_file_of_weights(source, file):
    model = create_model("vit_nano", norm="bn", weights=file, **SIZES)
    assert torch.equal(model.blocks[3].attn.qkv.weight, source.blocks[3].attn.qkv.weight)
    folded = create_model("vit_nano", weights=str(file), input="imagenet", **SIZES)
    assert not torch.equal(folded.patch_embed.proj.weight, source.patch_embed.proj.weight)
    assert not torch.equal(create_model("vit_nano", **SIZES).pos_embed, source.pos_embed)


def test_weights_of_the_hub(source, monkeypatch):
    monkeypatch.setattr(module, "_find_tag", lambda backbone: backbone)
    monkeypatch.setattr(module, "_download", {"vit_nano": source}.__getitem__)
    model = create_model("vit_nano:drop_path=0.3", pretrained=True, **SIZES)
    assert torch.equal(model.norm.norm.weight, source.norm.weight)
    assert torch.equal(model.pos_embed, source.pos_embed)


@pytest.mark.parametrize(
    ("backbone", "options", "words"),
    [
        ("vit_nano", {"pretrained": True, "weights": "w.safetensors"}, "give one of the two"),
        ("vit_nano", {"pretrained": True}, "there are no pretrained weights for 'vit_nano'"),
        ("vit_nano", {"weights": "no such file"}, "cannot be read"),
        ("vit_nano", {"input": "half"}, "'half' without weights"),
        ("timm:vit_tiny_patch16_22", {}, "nearest: vit_tiny_patch16_224"),
        ("timm", {}, "write timm:NAME"),
    ],
)
def test_what_cannot_be_is_an_error(backbone, options, words):
    with pytest.raises(UserError) as caught:
        create_model(backbone, **options, **SIZES)
    assert words in str(caught.value)


def test_weights_that_do_not_fit(file):
    with pytest.raises(UserError, match="the weights do not fit the backbone"):
        create_model("vit_tiny", weights=file, **SIZES)
    with pytest.raises(UserError, match="clamps"):
        create_model("lsvit_nano", weights=file, input="imagenet", **SIZES)


def test_loading_does_not_disturb_what_is_drawn(file):
    drawn, loaded = (create_model("lsvit_nano", weights=given, **SIZES).state_dict() for given in (None, file))
    kept = [name for name in drawn if "lmi" in name or "smif" in name]
    assert len(kept) > 30
    assert all(torch.equal(drawn[name], loaded[name]) for name in kept)
