"""Weights of timm's hub: which, without a network, and what a configuration asks for."""

import pytest
import safetensors.torch
import timm
import torch

from clnorm.errors import ClnormError, UserError
from clnorm.models import weights as module
from clnorm.models.weights import fetch_weights, read_model_weights

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def hub(monkeypatch):
    """A hub that gives each tag a tiny model of ImageNet's mean and std, and keeps the tags asked for."""
    asked = []

    def download(tag):
        asked.append(tag)
        model = torch.nn.Linear(2, 3)
        model.pretrained_cfg = {"mean": IMAGENET[0], "std": IMAGENET[1]}
        return model

    monkeypatch.setattr(module, "_download", download)
    return asked


@pytest.mark.parametrize(
    ("backbone", "tag"),
    [
        ("lsvit_tiny", "vit_tiny_patch16_224.augreg_in21k_ft_in1k"),
        ("lsvit_signed_small", "vit_small_patch16_224.augreg_in21k_ft_in1k"),
        ("vit_base", "vit_base_patch16_224.augreg_in21k_ft_in1k"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2.lvd142m"),
        ("timm:vit_tiny_patch16_224", "vit_tiny_patch16_224"),
    ],
)
def test_each_backbone_has_its_weights_on_the_hub(hub, backbone, tag):
    weights = fetch_weights(backbone)
    assert hub == [tag]
    assert weights.tensors.keys() == {"weight", "bias"}
    assert (weights.mean, weights.std, weights.stated) == (*IMAGENET, True)
    assert weights.source == f"timm's hub: {tag}"
    with pytest.raises(UserError, match="'half' contradicts"):
        fetch_weights(backbone, input="half")


def test_the_tags_exist():
    assert set(module._TAGS.values()) <= set(timm.list_pretrained("vit_*"))


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        ("lsvit_nano", "no pretrained weights for 'lsvit_nano'; legal: a backbone *_tiny, *_small or *_base, or timm"),
        ("my.module:Net_tiny", "no pretrained weights for 'my.module:Net_tiny'"),
        ("timm:vit_tiny_patch16_224.augreg_in21", "did you mean 'vit_tiny_patch16_224.augreg_in21k'?"),
        ("timm:vit_tiny_patch32_32", "timm has no weights 'vit_tiny_patch32_32'"),
    ],
)
def test_backbones_without_weights(hub, backbone, words):
    with pytest.raises(UserError) as caught:
        fetch_weights(backbone)
    assert words in str(caught.value)
    assert hub == []


def test_without_a_network_the_failure_is_soon_and_says_what_to_do(monkeypatch, tmp_path):
    import huggingface_hub

    calls = []

    class Session:
        def head(self, url, timeout):
            calls.append(url)
            raise OSError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.utils, "get_session", Session)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, file: None)
    monkeypatch.setattr(timm, "create_model", lambda *args, **options: pytest.fail("timm would try again and again"))
    with pytest.raises(ClnormError) as caught:
        fetch_weights("lsvit_tiny")
    message = str(caught.value)
    assert not isinstance(caught.value, UserError)
    assert message.startswith("model.pretrained: vit_tiny_patch16_224.augreg_in21k_ft_in1k could not be fetched")
    assert "model.weights=FILE" in message
    assert "\n" not in message
    assert len(calls) == 1


@pytest.mark.slow
def test_a_cached_file_needs_no_network(monkeypatch, tmp_path):
    import huggingface_hub

    source = timm.create_model("vit_tiny_patch16_224", num_classes=1000)
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(source.state_dict(), path)
    monkeypatch.setattr(huggingface_hub.utils, "get_session", lambda: pytest.fail("this asks the network"))
    wanted = ("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "model.safetensors")
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda repo, file: str(path) if (repo, file) == wanted else None
    )
    before = torch.random.get_rng_state()
    weights = fetch_weights("lsvit_tiny")
    assert torch.equal(before, torch.random.get_rng_state())
    assert weights.tensors.keys() == source.state_dict().keys()
    assert all(torch.equal(weights.tensors[name], tensor.float()) for name, tensor in source.state_dict().items())
    assert all(tensor.dtype == torch.float32 for tensor in weights.tensors.values())
    assert (weights.mean, weights.std, weights.stated) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), True)


def test_any_failure_of_the_hub_is_one_line(monkeypatch):
    def download(tag):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(module, "_download", download)
    with pytest.raises(ClnormError, match=r"RuntimeError: first line\); fetch the file elsewhere") as caught:
        fetch_weights("vit_tiny")
    assert "\n" not in str(caught.value)


def test_what_a_configuration_asks_for(hub, tmp_path):
    torch.save({"a": torch.arange(6.0)}, tmp_path / "w.pth")
    assert read_model_weights("vit_tiny") is None
    assert read_model_weights("vit_tiny", pretrained=True).source.startswith("timm's hub")
    read = read_model_weights("vit_tiny", weights=tmp_path / "w.pth", input="imagenet")
    assert (read.mean, read.std) == IMAGENET
    with pytest.raises(UserError, match="model: pretrained weights and a file of weights; give one of the two"):
        read_model_weights("vit_tiny", pretrained=True, weights=tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"model\.input: 'half' without weights"):
        read_model_weights("vit_tiny", input="half")
