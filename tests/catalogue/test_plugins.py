"""Norms, strategies and protocols of one's own, in whole runs."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import clnorm
from clnorm.catalogue import NORMS, register_strategy
from clnorm.errors import ClnormError, UserError
from clnorm.strategies.replay import replay
from clnorm.training.trainer import ClipStrategy
from tests.training.states.kills import run_killed

PROTOCOL = "def pairs(num_classes, *, seed, size=2): return [[each] for each in range(num_classes)]\n"


@pytest.mark.slow
def test_a_strategy_of_ones_own(tiny):
    @register_strategy("replay_all_in_test")
    def replay_all(setup, *, per_class: int = 3):
        """Replay of half the batch."""
        return replay(setup, per_class=per_class, share=0.5)

    record = clnorm.run(tiny(strategy="replay_all_in_test:per_class=1"))
    assert record.names["strategy"] == "replay_all_in_test:per_class=1"
    assert record.memory["clips"] == 4


@pytest.mark.slow
def test_an_edited_plugin_is_another_run(tiny, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "from torch import nn\n\n\nclass Edited(nn.Module):\n    def __init__(self, num_channels):\n"
    source += "        super().__init__()\n\n    def forward(self, x):\n        return x * {scale}\n"
    names = []
    for scale in (1, 2):
        (tmp_path / "edited_norm.py").write_text(source.format(scale=scale))
        sys.modules.pop("edited_norm", None)
        importlib.invalidate_caches()
        names.append(clnorm.run(tiny(norm="edited_norm:Edited", train__epochs=1)).run)
    assert names[0] != names[1]


def test_a_plugin_norm_that_draws_weights_draws_them_from_the_seed(tiny, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "import torch\nfrom torch import nn\n\n\nclass Drawn(nn.Module):\n    def __init__(self, num_channels):\n"
    source += "        super().__init__()\n        self.scale = nn.Parameter(torch.randn(num_channels))\n\n"
    source += "    def forward(self, x):\n        return x * self.scale\n"
    (tmp_path / "drawn_norm.py").write_text(source)
    weights = []
    for seed in (0, 0, 1):
        torch.rand(1)
        model = clnorm.create_model(
            "lsvit_nano", norm="drawn_norm:Drawn", num_classes=2, image_size=16, num_frames=2, seed=seed
        )
        weights.append(model.norm.norm.scale)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.slow
def test_a_norm_that_another_package_announces(tiny, tmp_path, monkeypatch):
    source = (
        "from torch import nn\n\n\nclass Halved(nn.Module):\n    def __init__(self, num_channels, by: float = 2.0):\n"
    )
    source += (
        "        super().__init__()\n        self.by = by\n\n    def forward(self, x):\n        return x / self.by\n"
    )
    (tmp_path / "announced_norms.py").write_text(source)
    installed = tmp_path / "announced_norms-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: announced-norms\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[clnorm.norms]\nannounced = announced_norms:Halved\n[clnorm.strategies]\nelsewhere = announced_norms:Halved\n"
    )
    assert "announced" not in NORMS.names()
    monkeypatch.syspath_prepend(tmp_path)
    assert NORMS.names()[-1] == "announced"
    assert NORMS.parse("announced:axis=clip,update=none").kwargs == {
        "by": 2.0,
        "axis": "clip",
        "update": "none",
        "recalibrate": "none",
        "freeze_after": 0,
        "parts": 1,
        "eval": "running",  # as of a class of which nothing is known
    }
    record = clnorm.run(tiny(norm="announced:by=4", train__epochs=1))
    assert record.names["norm"] == "announced:by=4.0"
    assert record.swap["spec"] == str(NORMS.parse("announced:axis=frame,by=4.0"))
    monkeypatch.undo()
    with pytest.raises(UserError, match="unknown norm 'announced'"):
        NORMS.parse("announced")


@pytest.mark.slow
def test_a_strategy_that_cannot_be_continued_says_so(tiny, monkeypatch):
    from avalanche.training.plugins import LwFPlugin

    @register_strategy("stateless_in_test")
    def stateless(setup):
        """Naive with a plug-in that keeps no state."""
        return ClipStrategy(setup=setup, plugins=[LwFPlugin()])

    config = tiny(strategy="stateless_in_test", train__epochs=1)
    run_killed(config, monkeypatch, after=1)
    with pytest.raises(ClnormError, match="LwFPlugin has no state_dict and load_state_dict"):
        clnorm.run(config)


@pytest.mark.slow
def test_a_protocol_of_ones_own(tiny, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "def pairs(num_classes, *, seed, size=2):\n    labels = list(range(num_classes))\n"
    source += "    return [labels[start : start + size] for start in range(0, num_classes, size)]\n"
    (tmp_path / "my_protocol.py").write_text(source)
    record = clnorm.run(tiny(protocol="my_protocol:pairs:size=1", train__epochs=1))
    assert record.experiences == [[0], [1], [2], [3]]


SCRIPT = """
import sys
from clnorm import Config, UserError
before = list(sys.path)
try:
    print(Config(protocol="lying_here:pairs:size=1").protocol)
except UserError as error:
    print(error)
assert sys.path == before, "a library leaves Python's path alone"
"""


@pytest.mark.parametrize(
    ("lies_in", "prints"),
    [
        ("script", "lying_here:pairs:size=1"),
        ("path", "lying_here:pairs:size=1"),
        ("current", "protocol: lying_here:pairs: there is no module 'lying_here'; install it, .* in PYTHONPATH"),
    ],
)
def test_a_script_finds_a_module_where_python_does(tmp_path, lies_in, prints):
    for folder in ("script", "path", "current"):
        (tmp_path / folder).mkdir()
    (tmp_path / lies_in / "lying_here.py").write_text(PROTOCOL)
    (tmp_path / "script" / "run.py").write_text(SCRIPT)
    done = run_python(tmp_path / "script" / "run.py", cwd=tmp_path / "current", path=tmp_path / "path")
    assert re.fullmatch(prints + "\n", done.stdout), done.stderr


@pytest.mark.parametrize("safe", [False, True])
def test_the_command_finds_a_module_in_the_current_folder_unless_python_is_told_not_to(tmp_path, safe):
    (tmp_path / "bin").mkdir()
    (tmp_path / "lying_here.py").write_text(PROTOCOL)
    # As an installed `clnorm` is: a script of another folder.
    (tmp_path / "bin" / "clnorm").write_text("import sys\nfrom clnorm.cli.main import main\nsys.exit(main())\n")
    arguments = ["run", "--set", "protocol=lying_here:pairs", "--dry-run"]
    done = run_python(*["-P"] * safe, tmp_path / "bin" / "clnorm", *arguments, cwd=tmp_path)
    assert done.returncode == (2 if safe else 0), done.stderr
    assert ("no module 'lying_here'" in done.stderr) == safe
    assert ("protocol: lying_here:pairs:size=2" in done.stdout) != safe


def run_python(*arguments, cwd, path=None):
    """Python on a file in another process, with clnorm and the folder `path` on its path."""
    folders = [Path(clnorm.__file__).parents[1], *([path] if path else [])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True)
