"""Files of weights: what is read, what is refused, and that nothing in them is run."""

import json
import pickle
import struct

import pytest
import safetensors.torch
import torch

from clnorm.errors import UserError
from clnorm.models.create import create_model
from clnorm.models.weights import read_weights

HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def state():
    return {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([0.5, -2.0])}


def metadata(mean, std):
    return {"mean": json.dumps(mean), "std": json.dumps(std)}


def assert_read(weights, expected):
    assert weights.tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert weights.tensors[name].dtype == torch.float32
        assert torch.equal(weights.tensors[name], tensor.float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["safetensors", "torch", "legacy", "state_dict", "model"])
def test_every_format_is_told_by_its_content(tmp_path, kind, dtype):
    tensors = {name: tensor.to(dtype) for name, tensor in state().items()}
    path = tmp_path / "weights.jpg"
    if kind == "safetensors":
        safetensors.torch.save_file(tensors, path)
    elif kind in ("torch", "legacy"):
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "torch")
    else:
        torch.save({"epoch": 3, kind: tensors}, path)
    weights = read_weights(path)
    assert_read(weights, tensors)
    assert (weights.mean, weights.std, weights.stated) == (*HALF, False)
    assert weights.source.startswith("weights.jpg, sha256 ")


def test_the_source_tells_files_of_one_name_apart(tmp_path):
    sources = set()
    for value in (0.0, 1.0):
        safetensors.torch.save_file({"a": torch.full((2,), value)}, tmp_path / "w.safetensors")
        sources.add(read_weights(tmp_path / "w.safetensors").source)
    assert len(sources) == 2


class Trap:
    """An object whose unpickling makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, kind):
    trap, path = tmp_path / "sprung", tmp_path / "weights.pth"
    content = {"a": torch.zeros(2), "b": Trap(trap)}
    if kind == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=r"weights\.pth: holds more than tensors, or is damaged"):
        read_weights(path)
    assert not trap.exists()
    if kind == "pickle":  # the trap itself works
        pickle.loads(path.read_bytes())["b"].close()
        assert trap.exists()


def broken(tmp_path, kind):
    path = tmp_path / "weights.pth"
    safetensors.torch.save_file(state(), tmp_path / "whole.safetensors")
    torch.save(state(), tmp_path / "whole.pth")
    contents = {
        "empty": b"",
        "text": b"some words\n",
        "text like a header": b"12345678{ no json",
        "truncated safetensors": (tmp_path / "whole.safetensors").read_bytes()[:-8],
        "huge safetensors header": struct.pack("<Q", 2**60) + b"{}",
        "truncated torch": (tmp_path / "whole.pth").read_bytes()[:-200],
        "truncated pickle": pickle.dumps({"a": list(range(100))})[:40],
    }
    if kind in contents:
        path.write_bytes(contents[kind])
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        values = {
            "a list": [torch.zeros(2)],
            "no tensor": {"a": torch.zeros(2), "lr": 0.1},
            "whole numbers": {"a": torch.zeros(2, dtype=torch.long)},
            "complex": {"a": torch.zeros(2, dtype=torch.cfloat)},
            "nothing": {},
            "not finite": {"a": torch.tensor([1.0, float("nan")])},
        }
        torch.save(values[kind], path)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "cannot be read (No such file or directory)"),
        ("folder", "cannot be read (Is a directory)"),
        ("empty", "is empty"),
        ("text", "is neither safetensors nor a torch file"),
        ("text like a header", "is damaged or no safetensors file"),
        ("truncated safetensors", "is damaged or no safetensors file"),
        ("huge safetensors header", "is damaged or no safetensors file"),
        ("truncated torch", "is damaged or no torch file"),
        ("truncated pickle", "is damaged"),
        ("a list", "holds a list"),
        ("no tensor", "'lr' is float, not a float tensor"),
        ("whole numbers", "'a' is torch.int64, not a float tensor"),
        ("complex", "'a' is torch.complex64, not a float tensor"),
        ("nothing", "is an empty dictionary"),
        ("not finite", "'a' has values that are not finite"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, kind, words):
    path = broken(tmp_path, kind)
    with pytest.raises(UserError) as caught:
        read_weights(path)
    message = str(caught.value)
    assert message.startswith(f"model.weights {path}: ")
    assert words in message
    assert "\n" not in message
    assert "miniz" not in message, "torch's advice to its own developers"
    assert kind == "not finite" or "legal: a safetensors file, or a torch state dict" in message


def test_the_input_that_the_header_states(tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(state(), path, metadata(*IMAGENET))
    (tmp_path / "config.json").write_text("not json: the header comes first")
    for asked in ("auto", "imagenet"):
        weights = read_weights(path, input=asked)
        assert (weights.mean, weights.std, weights.stated) == (*IMAGENET, True)
    with pytest.raises(
        UserError, match=r"model\.input: 'half' contradicts .*w\.safetensors, which states mean \(0\.485"
    ):
        read_weights(path, input="half")


def test_the_input_that_a_config_beside_the_file_states(tmp_path):
    path = tmp_path / "w.safetensors"
    torch.save(state(), path)
    config = {"architecture": "vit", "pretrained_cfg": {"mean": IMAGENET[0], "std": IMAGENET[1], "tag": "x"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = read_weights(path)
    assert (weights.mean, weights.std, weights.stated) == (*IMAGENET, True)
    with pytest.raises(UserError, match="'half' contradicts"):
        read_weights(path, input="half")


@pytest.mark.parametrize("text", ['{"pretrained_cfg": {"crop_pct": 0.9}}', '{"model_type": "bert"}', "[1]"])
def test_a_config_without_an_input_states_nothing(tmp_path, text):
    torch.save(state(), tmp_path / "w.pth")
    (tmp_path / "config.json").write_text(text)
    assert not read_weights(tmp_path / "w.pth").stated


def test_an_unreadable_config_is_named(tmp_path):
    torch.save(state(), tmp_path / "w.pth")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json: cannot be read as JSON"):
        read_weights(tmp_path / "w.pth")


def test_an_input_can_be_given_where_none_is_stated(tmp_path):
    torch.save(state(), tmp_path / "w.pth")
    weights = read_weights(tmp_path / "w.pth", input="imagenet")
    assert (weights.mean, weights.std, weights.stated) == (*IMAGENET, False)
    with pytest.raises(UserError, match=r"model\.input: 'imagnet' is not legal; did you mean 'imagenet'\?"):
        read_weights(tmp_path / "w.pth", input="imagnet")


@pytest.mark.parametrize(
    "header",
    [
        {"mean": "[0.5, 0.5, 0.5]"},
        {"mean": "half", "std": "half"},
        metadata([0.5, 0.5], [0.5, 0.5, 0.5]),
        metadata([0.5, 0.5, 0.5], [0.5, 0.5, 0]),
        metadata([0.5, 0.5, "0.5"], [0.5, 0.5, 0.5]),
        metadata([0.5, 0.5, float("nan")], [0.5, 0.5, 0.5]),
    ],
)
def test_an_input_that_is_no_input(tmp_path, header):
    safetensors.torch.save_file(state(), tmp_path / "w.safetensors", header)
    with pytest.raises(UserError, match="legal: three numbers each, those of std above 0"):
        read_weights(tmp_path / "w.safetensors")


def test_counters_in_a_file_are_read_so_that_another_architecture_is_named_as_such(tmp_path):
    path = tmp_path / "resnet.safetensors"
    safetensors.torch.save_file({"bn1.num_batches_tracked": torch.tensor(3), "bn1.weight": torch.ones(2)}, path)
    assert read_weights(path).tensors["bn1.num_batches_tracked"].item() == 3
    with pytest.raises(UserError, match=r"do not fit the backbone: .*unexpected \(2\): bn1\.num_batches_tracked"):
        create_model("lsvit_nano", num_classes=2, image_size=16, weights=path)


DEEP = "[" * 5000 + "]" * 5000


def test_what_a_file_states_is_read_within_bounds(tmp_path):
    file = tmp_path / "w.safetensors"
    for header in ({"mean": DEEP, "std": "[1, 1, 1]"}, {"mean": "[0, 0, 0]", "std": "[NaN, 1, 1]"}):
        safetensors.torch.save_file(state(), file, header)
        with pytest.raises(UserError, match=r"states mean .*nested more than 40 deep|holds the number NaN") as caught:
            read_weights(file)
        assert len(str(caught.value)) < 500
    safetensors.torch.save_file(state(), file)
    (tmp_path / "config.json").write_text(f'{{"pretrained_cfg": {DEEP}}}')
    with pytest.raises(UserError, match=r"config\.json: cannot be read as JSON \(it is nested more than 40 deep\)"):
        read_weights(file)
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {"mean": [1] * 9999, "std": [1, 1, 1]}}))
    with pytest.raises(UserError, match="states mean") as caught:
        read_weights(file)
    assert len(str(caught.value)) < 500
