"""The README's commands and examples, run as they stand there."""

import inspect
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import torch

import clnorm
from clnorm.catalogue import NORMS
from clnorm.cli.main import main
from clnorm.config.config import Config
from clnorm.config.fields import list_keys
from clnorm.files import cache_dir
from clnorm.norms import RunningNorm

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if not language for line in block.splitlines() if line[:7] == "clnorm "]
EXAMPLES = [block for language, block in BLOCKS if language == "python"]
TINY = (
    "dataset=synthetic:classes=4,train=4,test=2",
    "protocol=even:experiences=2",
    "data.frames=4",
    "data.image_size=16",
    "train.epochs=1",
    "train.batch_size=4",
)


def read_block(language):
    (block,) = [block for name, block in BLOCKS if name == language]
    return block


def read_section(title):
    """The text below a heading, up to the next one."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the README's norm, sweep and configurations, as the current one and that of a script."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mynorm.py").write_text(EXAMPLES[0])
    (tmp_path / "mynorm.yaml").write_text(read_block("yaml"))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tmp_path


@pytest.fixture
def norms(monkeypatch):
    """The registry of norms, restored afterwards."""
    monkeypatch.setattr(NORMS, "_entries", dict(NORMS._entries))


def test_the_readme_has_what_this_file_reads():
    assert len(COMMANDS) >= 15
    assert len(EXAMPLES) == 3
    assert all(read_section(title) for title in ("Norms", "Your norm in a table in ten minutes"))


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
        if command.startswith("clnorm table runs/demo_grid"):
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


def test_the_tutorial_goes_from_a_norm_to_its_table(folder, capsys):
    (folder / "mynorm.yaml").write_text(read_block("yaml").replace("seed: [0, 1, 2]", "seed: [0, 1]"))
    commands = [
        command for command in read_section("Your norm in a table in ten minutes").splitlines() if command in COMMANDS
    ]
    shown = []
    for command in commands:
        arguments = shlex.split(command)[1:]
        if arguments[0] == "run":
            continue
        if arguments[0] == "sweep":
            arguments += [word for setting in TINY for word in ("--set", setting)]
        assert main(arguments) == 0, capsys.readouterr().err
        shown.append((" ".join(arguments[:2]), capsys.readouterr().out))
    verbs = [verb for verb, _ in shown]
    assert verbs == ["norms check", "norms audit", "sweep mynorm.yaml", "table runs/mynorm", "table runs/mynorm"]
    assert "13 of 13 norms replaced" in shown[1][1]
    assert r"\toprule" in shown[4][1]
    assert all("mynorm:MyNorm" in text for text in (shown[0][1], shown[3][1], shown[4][1]))


def test_the_norm_of_the_readme_is_short_and_does_what_it_says(tiny, folder):
    assert len(EXAMPLES[0].splitlines()) < 20
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    y = clnorm.build_norm("mynorm:MyNorm:eps=0", 8)(x)
    for sample, normed in zip(x, y, strict=True):
        centred = sample - sample.median()
        torch.testing.assert_close(normed, centred / centred.abs().mean())
    record = clnorm.run(tiny(norm="mynorm:MyNorm:eps=0.01,axis=clip", train__epochs=1))
    assert record.names["norm"] == "mynorm:MyNorm:eps=0.01,axis=clip"
    assert record.swap["replaced"] == 13


def test_the_norm_of_the_readme_plugs_in_by_decorator(folder, norms):
    decorated = "import clnorm\n" + EXAMPLES[0].replace("class My", '@clnorm.register_norm("median")\nclass My')
    assert '`@clnorm.register_norm("median")`' in README
    exec(compile(decorated, "mynorm.py", "exec"), {})
    assert type(clnorm.build_norm("median:eps=0.1", 8)).__name__ == "MyNorm"


def test_the_norm_of_the_readme_plugs_in_by_entry_point(folder, monkeypatch):
    ((group, points),) = tomllib.loads(read_block("toml"))["project"]["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (folder / "medians-1.0.dist-info").mkdir()
    (folder / "medians-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: medians\nVersion: 1.0\n")
    (folder / "medians-1.0.dist-info/entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(folder)
    assert type(clnorm.build_norm("median:eps=0.1", 8)).__name__ == "MyNorm"


def read_norm_table():
    """The cells of each norm's row."""
    rows = [line for line in read_section("Norms").splitlines() if re.match(r"\| `\w+` \|", line)]
    return {
        cells[0].strip("`"): cells[1:] for row in rows for cells in [[c.strip() for c in row.strip("|").split("|")]]
    }


def test_the_table_of_norms_is_that_of_the_catalogue():
    table = read_norm_table()
    assert list(table) == [name for name in NORMS.names() if "clnorm" in str(NORMS.get(name).target)]
    assert {name: cells[0] for name, cells in table.items()} == {name: NORMS.get(name).summary for name in table}
    assert "for one of seventeen, " in README
    assert len(table) == 17


@pytest.mark.parametrize("name", read_norm_table())
def test_each_norm_is_told_what_the_readme_says_and_cites_the_same_authors(name):
    norm = NORMS.get(name).load()
    _, source, told = read_norm_table()[name]
    assert told == ", ".join(norm.needs)
    if form := re.fullmatch(r"a form of `(\w+)`", source):
        assert issubclass(norm, RunningNorm)
        assert form[1] in NORMS.names()
    else:
        author = re.match(r"\w*", source)[0]
        assert author in inspect.getdoc(norm)
        assert bool(author) == (name != "identity")


def test_every_key_that_is_named_exists():
    named = set(re.findall(r"(?<![\w./])((?:data|model|train|eval)\.\w+)", README)) - {"model.safetensors"}
    assert len(named) >= 10
    assert named <= set(list_keys(Config, deep=True))


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
