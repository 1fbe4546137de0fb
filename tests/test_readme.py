"""The README's commands and examples, run as they stand there."""

import re
import shlex
from pathlib import Path

import pytest
import torch

import clnorm
from clnorm.cli import main
from clnorm.data.cache import cache_dir

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if not language for line in block.splitlines() if line[:7] == "clnorm "]
EXAMPLES = [block for language, block in BLOCKS if language == "python"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with the README's norm and the configurations in it, as the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynorm.py").write_text(EXAMPLES[0])
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tmp_path


def test_the_readme_has_what_this_file_reads():
    assert len(COMMANDS) >= 15
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[1] in ("run", "sweep")])
def test_each_run_and_sweep_is_legal(command, folder, capsys):
    arguments = [word for word in shlex.split(command)[1:] if word != "--dry-run"]
    assert main([*arguments, "--dry-run"]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[1] in ("list", "doctor")])
def test_each_list_answers(command, folder, capsys):
    assert main(shlex.split(command)[1:]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 1


def test_the_tables_come_out_of_a_sweep(tiny, folder, capsys):
    clnorm.sweep([tiny(norm=norm, out="runs/demo_grid", train__epochs=1) for norm in ("bn", "cn")])
    for command in COMMANDS:
        if command.split()[1] == "table":
            assert main(shlex.split(command)[1:]) == 0
            assert "cn" in capsys.readouterr().out


def name_run(folder):
    """Let `runs/RUN` be the one run in `runs`."""
    if not (folder / "runs/RUN").exists():
        (run,) = (path.parent for path in folder.glob("runs/*/record.json"))
        (folder / "runs/RUN").symlink_to(run)


def test_predict_and_export_of_a_run(tiny, folder, capsys):
    clnorm.run(tiny(out="runs", train__epochs=1))
    name_run(folder)
    videos = sorted(cache_dir().rglob("*.avi"))
    (folder / "video.mp4").symlink_to(videos[0])
    (folder / "other.avi").symlink_to(videos[1])
    commands = [c for c in COMMANDS if c.split()[1] in ("predict", "export") and "onnx" not in c]
    assert len(commands) == 3
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, capsys.readouterr().err
        assert "video.mp4" in (out := capsys.readouterr().out) or "export.safetensors" in out


def test_the_norm_of_the_readme_is_short_and_trains(tiny, folder):
    assert len(EXAMPLES[0].splitlines()) < 20
    record = clnorm.run(tiny(norm="mynorm:ScaleNorm:eps=1e-3,axis=clip", train__epochs=1))
    assert record.names["norm"] == "mynorm:ScaleNorm:eps=0.001,axis=clip"
    assert record.swap["replaced"] == 13


def test_the_python_examples_run(tiny, folder, monkeypatch, capsys):
    monkeypatch.setattr(clnorm, "Config", lambda **names: tiny(out="runs", train__epochs=1, **names), raising=False)
    for example in EXAMPLES[1:]:
        exec(compile(example, "README.md", "exec"), {})
        name_run(folder)
    out = capsys.readouterr().out
    assert "| cn:groups=8" in out
    assert "0.3 -0.3" in out.replace("0.30000000000000004", "0.3")


def test_every_public_name_is_there():
    for name in clnorm.__all__:
        assert getattr(clnorm, name) is not None
    assert isinstance(clnorm.build_norm("cn:groups=32,axis=frame", 64)(torch.randn(2, 5, 64)), torch.Tensor)
    with pytest.raises(AttributeError, match="no attribute 'sweeep'"):
        clnorm.sweeep  # noqa: B018
