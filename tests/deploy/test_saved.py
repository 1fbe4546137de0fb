"""The kept model: what comes back of it, and every file that is refused with its reason."""

import importlib
import json
import sys

import pytest
import safetensors.torch
import torch
from torch import nn

from clnorm.config.load import merge_config
from clnorm.deploy.saved import ModelInfo, describe_model, read_model, save_model
from clnorm.errors import ClnormError, UserError
from clnorm.models.create import create_model

INFO = ModelInfo(
    backbone="lsvit_nano",
    norm="cn:axis=clip",
    classes=("run", "jump", "wave"),
    image_size=16,
    num_frames=4,
    precision="fp32",
)
PLUGIN = """
import torch
from torch import nn

class Scale(nn.Module):
    def __init__(self, num_channels, factor: float = 2.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((num_channels,), factor))

    def forward(self, x):
        return x * self.weight
"""


def create(info):
    model = create_model(info.backbone, norm=info.norm, num_classes=3, image_size=16, num_frames=4, seed=5)
    nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.train()(draw())
    return model


def draw():
    return torch.rand(2, 4, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.fixture
def kept(tmp_path):
    """A file with a kept model, and the model."""
    model = create(INFO)
    save_model(tmp_path / "model.safetensors", model, INFO)
    return tmp_path / "model.safetensors", model.eval()


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """The name of a plug-in norm's module, in a file of this test's own."""
    name = f"plugin_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def rewrite(path, *, drop=(), add=None, **changes):
    """The file with other tensors, or another description, as the first version wrote it: without a checksum."""
    with safetensors.safe_open(str(path), framework="pt") as file:
        description = {**json.loads(file.metadata()["clnorm"]), "schema": 1, **changes}
    description.pop("checksum", None)
    tensors = {name: value for name, value in safetensors.torch.load_file(path).items() if name not in drop}
    safetensors.torch.save_file({**tensors, **(add or {})}, path, {"clnorm": json.dumps(description)})


def test_a_kept_model_comes_back_with_its_weights_statistics_and_description(kept):
    path, model = kept
    loaded = read_model(path)
    assert (loaded.info, loaded.file) == (INFO, path)
    assert not loaded.model.training
    assert torch.equal(loaded.model(draw()), model(draw()))
    state = model.state_dict()
    assert state["norm.norm.running_mean"].abs().max() > 0
    assert all(torch.equal(value, state[name]) for name, value in loaded.model.state_dict().items())


def test_outputs_are_named_in_the_order_of_the_stream():
    config = merge_config({}, {"norm": "bn", "data.frames": 7, "data.image_size": 24})
    info = describe_model(config, classes=["a", "b", "c"], order=torch.tensor([2, 0, 1]).numpy(), precision="bf16")
    assert info.classes == ("c", "a", "b")
    assert (info.num_frames, info.image_size, info.precision) == (7, 24, "bf16")
    assert info.norm == "bn:eps=1e-05,eval=running,freeze_after=0,momentum=0.1,parts=1,recalibrate=none,update=all"
    assert info.backbone.startswith("lsvit_nano:drop_path=0.1,")
    assert info.sources == {}


def test_shared_tensors_are_kept_for_each_of_their_names(tmp_path):
    model = create(INFO)
    model.blocks[1] = model.blocks[0]
    save_model(tmp_path / "m", model, INFO)
    loaded = read_model(tmp_path / "m").model
    assert torch.equal(loaded.blocks[1].mlp.fc1.weight, model.blocks[0].mlp.fc1.weight)
    assert torch.equal(loaded(draw()), model.eval()(draw()))


def test_state_that_is_no_tensor_is_refused(tmp_path):
    class Odd(nn.Module):
        def get_extra_state(self):
            return {"step": 3}

    with pytest.raises(ClnormError, match=r"_extra_state is a dict and no tensor.*keep_model=false"):
        save_model(tmp_path / "m", Odd(), INFO)
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_replaced_at_once(kept, monkeypatch):
    path, _ = kept
    before = path.read_bytes()

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(ClnormError, match="No space left"):
        save_model(path, create(INFO), INFO)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"drop": ["head.bias", "pos_embed"]}, ["2 tensors missing: pos_embed, head.bias"]),
        ({"add": {"extra.weight": torch.zeros(2)}}, ["1 tensors unknown: extra.weight"]),
        ({"add": {"head.bias": torch.zeros(4)}}, ["head.bias (torch.float32 (4,), not torch.float32 (3,))"]),
        ({"add": {"head.bias": torch.zeros(3).half()}}, ["head.bias (torch.float16 (3,), not torch.float32 (3,))"]),
        ({"schema": 99}, ["schema 99, newer than 2", "update clnorm"]),
        ({"classes": None}, ["description is damaged"]),
        ({"more": 1}, ["description is damaged", "more"]),
        ({"folded": {"blocks.9.norm1": "head"}}, ["does not fit its model", "9"]),
    ],
)
def test_a_file_that_does_not_fit_names_what_is_wrong(kept, changes, words):
    path, _ = kept
    rewrite(path, **changes)
    with pytest.raises(ClnormError) as error:
        read_model(path)
    assert error.value.exit_code == 1
    for word in [str(path), *words]:
        assert word in str(error.value)


def test_a_file_of_someone_elses_is_refused(tmp_path):
    path = tmp_path / "vit.safetensors"
    safetensors.torch.save_file({"head.weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match=r"no model that clnorm kept.*clnorm export"):
        read_model(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.safetensors: there is no such file"):
        read_model(tmp_path / "nowhere.safetensors")


def test_a_truncated_file_is_damaged(kept):
    path, _ = kept
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ClnormError, match="damaged, or no safetensors file"):
        read_model(path)


class Trap:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def test_a_pickle_is_refused_and_never_run(tmp_path):
    path, marker = tmp_path / "model.safetensors", tmp_path / "ran"
    torch.save({"model": Trap(marker)}, path)
    with pytest.raises(ClnormError, match="no safetensors file"):
        read_model(path)
    assert not marker.exists()


def test_a_plug_in_is_kept_with_the_hash_of_its_file(tmp_path, plugin):
    config = merge_config({}, {"norm": f"{plugin}:Scale:factor=3", "data.frames": 4, "data.image_size": 16})
    info = describe_model(config, classes=["a", "b", "c"], order=[0, 1, 2], precision="fp32")
    assert list(info.sources) == ["norm"]
    leave = [f"{plugin}:Scale"]
    model = create(info)
    save_model(tmp_path / "m", model, info)
    assert torch.equal(read_model(tmp_path / "m", allow_plugins=leave).model(draw()), model.eval()(draw()))

    (tmp_path / f"{plugin}.py").write_text(PLUGIN.replace("x * self", "x + self"))
    with pytest.raises(ClnormError, match=f"the file of the norm '{plugin}:Scale' has changed"):
        read_model(tmp_path / "m", allow_plugins=leave)

    (tmp_path / f"{plugin}.py").unlink()
    del sys.modules[plugin]
    importlib.invalidate_caches()
    with pytest.raises(UserError, match=f"cannot be built.*no module '{plugin}'"):
        read_model(tmp_path / "m", allow_plugins=leave)


def test_a_file_of_someone_elses_runs_no_code(kept, plugin):
    path, _ = kept
    for changes in ({"norm": f"{plugin}:Scale"}, {"backbone": f"{plugin}.Scale"}, {"norm": "os:_exit"}):
        rewrite(path, **changes)
        with pytest.raises(UserError, match=r"its description names the plug-in .* --allow-plugin") as error:
            read_model(path)
        assert str(path) in str(error.value)
        rewrite(path, norm=INFO.norm, backbone=INFO.backbone)
    rewrite(path, group_norms={"norm": f"{plugin}:Scale"})
    with pytest.raises(UserError, match="names the plug-in"):
        read_model(path)
    assert plugin not in sys.modules


def test_every_flipped_bit_of_a_kept_model_is_found(kept):
    path, _ = kept
    whole = path.read_bytes()
    places = torch.randint(8 * len(whole), (40,), generator=torch.Generator().manual_seed(0)).tolist()
    for bit in [*range(64, 8 * 400, 97), *places]:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(ClnormError, match=path.name):
            read_model(path)


def test_only_files_of_the_first_layout_may_be_without_checksum(kept):
    path, model = kept
    rewrite(path)
    assert torch.equal(read_model(path).model(draw()), model.eval()(draw()))
    rewrite(path, schema=2)
    with pytest.raises(ClnormError, match="has no checksum"):
        read_model(path)
