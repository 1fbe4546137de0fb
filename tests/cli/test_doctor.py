"""`clnorm doctor`: it names the parts of a run, and what mends a missing one."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import cache_from_source
from pathlib import Path
from types import ModuleType

import pytest
import torch

from clnorm.cli.doctor import examine
from clnorm.cli.main import main
from clnorm.environment import package_version


def test_it_names_every_part():
    lines = dict(line.split(maxsplit=1) for line in examine()[0].splitlines())
    assert lines["torch"] == package_version("torch")
    assert "decoded a frame of (3, 64, 64)" in lines["FFmpeg"]
    assert "GB free" in lines["cache"]
    assert package_version("no-such-package") == "missing"


def test_it_says_where_python_compiles_torch_at_every_start(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    (line,) = (line for line in examine()[0].splitlines() if line.startswith("bytecode"))
    assert "python -m compileall -q" in line
    compiled = Path(cache_from_source(torch.__file__))
    compiled.parent.mkdir(parents=True)
    compiled.touch()
    assert "bytecode        kept" in examine()[0].splitlines()


@pytest.mark.parametrize("command", [["doctor"], ["run"]])
def test_a_missing_ffmpeg_is_a_failure_that_says_how_to_mend_it(command, monkeypatch, capsys, tmp_path):
    torchcodec = ModuleType("torchcodec")
    torchcodec.ffmpeg_major_version = None
    torchcodec.__spec__ = ModuleSpec("torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec", torchcodec)
    monkeypatch.setenv("CLNORM_CACHE", str(tmp_path))
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "apt-get install ffmpeg" in error
    assert error.count("\n") == 1
