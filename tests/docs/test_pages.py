"""Every command and example of README and documentation, run in the order in which a page has them."""

import re
from pathlib import Path

import pytest

import clnorm
from clnorm.cli.main import main
from clnorm.config.load import load_config

ROOT = Path(__file__).parents[2]
# What is asked of the network, of files that are not here, of a cluster or of a compiler is checked, but not run.
NOT_RUN = ("pretrained=true", "model.weights", "kernels=native", "launcher slurm", "launcher ray", "--dry-run")
# `data check` finds that a made-up HMDB51 has not the published number of clips.
MAY_FAIL = "data check hmdb51"


@pytest.fixture
def working(desk, monkeypatch):
    """The desk, where runs from Python are small, too."""
    sizes = ["dataset=synthetic:classes=4,train=4,test=2", "protocol=even:experiences=2", "data.frames=4"]
    sizes += ["data.image_size=16", "train.epochs=1", "train.batch_size=4"]
    monkeypatch.chdir(desk)
    monkeypatch.syspath_prepend(desk)
    monkeypatch.setattr(
        clnorm,
        "Config",
        lambda **given: load_config(None, [*sizes, *(f"{key}={value}" for key, value in given.items())]),
        raising=False,
    )
    return desk


@pytest.mark.slow
def test_a_page_does_what_it_says(page, pages, blocks, working, shrink, split_command, capsys):
    failures = []
    for block in blocks(pages[page]):
        if block.file:
            write_file(working / block.file, block.text)
        elif block.language == "python":
            exec(compile(block.text, page, "exec"), {})
        elif block.language == "yaml":
            raise AssertionError("no file is named before a block of YAML")
        elif block.language == "bash":
            for line in block.text.splitlines():
                failures += run_line(line, shrink, split_command, capsys)
    assert not failures, "\n".join(failures)


def write_file(path, text):
    """A file that two pages show is the same one in both; a sweep has two seeds less, a search six trials."""
    text = text.replace("seed: [0, 1, 2]", "seed: [0]").replace("trials: 8", "trials: 2")
    assert not path.exists() or path.read_text() == text, f"two pages show another {path.name}"
    path.write_text(text)


def run_line(line, shrink, split_command, capsys):
    if line.startswith("make "):
        target = line.split()[1]
        known = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        return [] if target in known else [f"{line}: no such target"]
    assert line.startswith("clnorm "), f"no command: {line}"
    arguments = split_command(line)
    if any(word in line for word in NOT_RUN):
        arguments = [*arguments, *([] if "--dry-run" in arguments else ["--dry-run"])]
        if "--data-root" in arguments:  # a folder that is not here, which a dry run would refuse
            place = arguments.index("--data-root")
            del arguments[place : place + 2]
    elif arguments[0] in ("run", "sweep", "time", "tune"):
        arguments = shrink(arguments)
    elif arguments == ["data", "audit", "synthetic"]:
        arguments[2] += ":classes=4,train=4,test=2"
    try:
        code = main(arguments)
    except SystemExit as stop:  # argparse's, at an unknown command
        code = stop.code
    captured = capsys.readouterr()
    allowed = (0, 1) if line.startswith(f"clnorm {MAY_FAIL}") else (0,)
    shown = captured.out or code or arguments[0] in ("run", "sweep")
    return [] if code in allowed and shown else [f"{line}: exit code {code}: {captured.err.strip()[-400:]}"]
