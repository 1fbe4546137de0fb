"""Names that stand in files: what is built in loads, and a plug-in is imported only if the user names it too."""

import importlib
import sys

import pytest
import yaml

from clnorm.catalogue import BACKBONES, NORMS
from clnorm.catalogue.plugins import ForeignText, parse_allowed
from clnorm.cli.main import main
from clnorm.config.load import load_config
from clnorm.errors import UserError
from clnorm.launch.grid import read_sweep

EVIL = """
import pathlib
from torch import nn

pathlib.Path(__file__).with_suffix(".ran").touch()


class Norm(nn.Module):
    def __init__(self, num_channels):
        super().__init__()

    def forward(self, x):
        return x
"""


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A module in the current folder that leaves a file when it is imported: its name, and that file."""
    name = f"evil_{abs(hash(tmp_path.name))}"
    (tmp_path / f"{name}.py").write_text(EVIL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield name, tmp_path / f"{name}.ran"
    sys.modules.pop(name, None)


def foreign(text, *allowed):
    return ForeignText(text, parse_allowed(allowed), "a file")


@pytest.mark.parametrize("form", ["{0}:Norm", "{0}.Norm", "{0}:Norm:eps=1", " {0}:Norm", "{0}:Nothing"])
def test_a_file_imports_no_plugin_by_its_name_alone(evil, form):
    name, ran = evil
    with pytest.raises(UserError, match=rf"a file names the plug-in '{name}.*--allow-plugin {name}") as error:
        NORMS.parse(foreign(form.format(name)))
    assert error.value.exit_code == 2
    assert not ran.exists()
    assert name not in sys.modules


@pytest.mark.parametrize("written", ["{0}:Norm", "{0}.Norm"])
@pytest.mark.parametrize("allowed", ["{0}:Norm", "{0}.Norm"])
def test_a_plugin_that_the_user_names_too_is_imported(evil, written, allowed):
    name, ran = evil
    assert NORMS.parse(foreign(written.format(name), allowed.format(name))).name == f"{name}:Norm"
    assert ran.exists()


@pytest.mark.parametrize("allowed", ["{0}", "{0}:Other", "other:Norm", "{0}.Norm.more"])
def test_leave_is_for_one_name(evil, allowed):
    name, ran = evil
    with pytest.raises(UserError, match="names the plug-in"):
        NORMS.parse(foreign(f"{name}:Norm", allowed.format(name)))
    assert not ran.exists()


@pytest.mark.parametrize("target", ["os:_exit", "os:system", "builtins:exec", "torch.nn.LayerNorm", "subprocess.run"])
def test_nothing_outside_of_the_catalogue_is_taken(target):
    for registry in (NORMS, BACKBONES):
        with pytest.raises(UserError, match="names the plug-in"):
            registry.parse(foreign(target))


def test_built_in_and_registered_names_need_no_leave():
    assert NORMS.parse(foreign("cn:groups=8")) == NORMS.parse("cn:groups=8")
    assert BACKBONES.parse(foreign("timm:vit_tiny_patch16_224")).name == "timm:vit_tiny_patch16_224"


def test_an_announced_name_is_a_plugin_too(tmp_path, monkeypatch):
    (tmp_path / "foreign_announced.py").write_text(EVIL)
    installed = tmp_path / "foreign_announced-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-announced\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[clnorm.norms]\nshouted = foreign_announced:Norm\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="names the plug-in 'shouted'"):
        NORMS.parse(foreign("shouted"))
    assert not (tmp_path / "foreign_announced.ran").exists()
    assert NORMS.parse(foreign("shouted", "shouted")).name == "shouted"


@pytest.mark.parametrize("key", ["norm", "strategy", "backbone", "dataset", "protocol"])
def test_a_configuration_imports_nothing_in_any_key(evil, tmp_path, key):
    name, ran = evil
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({key: f"{name}:Norm"}))
    with pytest.raises(UserError, match=rf"{key}: .*c\.yaml names the plug-in"):
        load_config(tmp_path / "c.yaml")
    assert not ran.exists()
    assert getattr(load_config(tmp_path / "c.yaml", allow_plugins=[f"{name}:Norm"]), key).name == f"{name}:Norm"


@pytest.mark.parametrize(("section", "key"), [("data", "augment"), ("data", "mix"), ("train", "imbalance")])
def test_nor_in_a_section(evil, tmp_path, section, key):
    name, ran = evil
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({section: {key: f"{name}.Norm"}}))
    with pytest.raises(UserError, match=rf"{section}\.{key}: .*names the plug-in"):
        load_config(tmp_path / "c.yaml")
    assert not ran.exists()


def test_what_the_user_types_wins_and_is_imported(evil, tmp_path):
    name, _ = evil
    (tmp_path / "c.yaml").write_text("norm: other:Norm\nout: elsewhere\n")
    config = load_config(tmp_path / "c.yaml", [f"norm={name}:Norm"])
    assert (config.norm.name, config.out) == (f"{name}:Norm", "elsewhere")
    assert load_config(None, [f"norm={name}:Norm"]).norm == config.norm
    assert yaml.safe_load(config.to_yaml())["out"] == "elsewhere"


@pytest.mark.parametrize(
    "text", ["config: {{norm: '{0}:Norm'}}\ngrid: {{seed: [0]}}", "grid: {{norm: [bn, '{0}:Norm']}}",
             "grid: {{data: [{{mix: '{0}:Norm'}}]}}"]
)  # fmt: skip
def test_a_sweep_imports_nothing(evil, tmp_path, text):
    name, ran = evil
    (tmp_path / "s.yaml").write_text(text.format(name))
    with pytest.raises(UserError, match="names the plug-in"):
        read_sweep(tmp_path / "s.yaml", {})
    assert not ran.exists()
    if "mix" not in text:
        assert read_sweep(tmp_path / "s.yaml", {}, allow_plugins=[f"{name}:Norm"])


@pytest.mark.parametrize("given", ["", "a b", "a:b:c", "../evil:Norm", "evil:Norm:eps=1"])
def test_what_is_no_name_is_refused(given):
    with pytest.raises(UserError, match="is not the name of a plug-in"):
        parse_allowed([given])
    with pytest.raises(UserError, match="is one name"):
        parse_allowed(given)


def test_the_command_line_says_what_to_write(evil, tmp_path, capsys):
    name, ran = evil
    (tmp_path / "c.yaml").write_text(f"norm: {name}:Norm\n")
    assert main(["run", "--config", "c.yaml", "--dry-run"]) == 2
    assert f"--allow-plugin {name}:Norm" in capsys.readouterr().err
    assert not ran.exists()
    assert main(["run", "--config", "c.yaml", "--dry-run", "--allow-plugin", f"{name}:Norm"]) == 0
