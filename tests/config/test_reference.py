"""The configurations of the reference: one regime in all of them."""

from pathlib import Path

import pytest

from clnorm.config.identity import list_values
from clnorm.config.tuned import read_tuning
from clnorm.launch.grid import read_sweep
from clnorm.tuning.search_file import read_search

FOLDER = Path(__file__).parents[2] / "configs" / "reference"
STARTED = {"model.weights": "vit_tiny.safetensors"}
TUNED = FOLDER.parents[1] / "results" / "reference" / "tune" / "tuned.yaml"
# What a strategy refuses of the regime: mixtures, and products in bf16.
REFUSED = {"derpp": ("data.mix", "none"), "ncm": ("train.precision", "fp32"), "slda": ("train.precision", "fp32")}
NEIGHBOURS = {"dyt": "ln", "derpp": "replay", "icarl": "replay"}
FILES = sorted(FOLDER.glob("*.yaml"))


def read(file):
    if "search:" in file.read_text(encoding="utf-8"):
        return read_search(file, STARTED).cells
    return read_sweep(file, STARTED)


def regime(config):
    """What all runs of the reference share: data, backbone, and training but for what is tuned or compared."""
    parts = ("backbone", "data.", "model.", "train.")
    compared = ("train.lr", "train.epochs", "train.forward")
    return {
        key: str(value) for key, value in list_values(config).items() if key.startswith(parts) and key not in compared
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_has_the_regime(file):
    expected = regime(read(FOLDER / "regime.yaml")[0])
    assert expected["train.keep_frozen"] == "True"
    for config in read(file):
        allowed = dict([REFUSED[config.strategy.name]] if config.strategy.name in REFUSED else [])
        assert regime(config) == expected | allowed, f"{file.name}: {config.norm} {config.strategy}"


@pytest.mark.parametrize("file", ["norms", "strategies"])
def test_what_was_not_tuned_has_the_rates_of_its_neighbour(file):
    rates = {(cell["norm"], cell["strategy"]): cell["values"]["train.lr"] for cell in read_tuning(TUNED).cells}
    for config in read(FOLDER / f"{file}.yaml"):
        if config.strategy.name in ("ncm", "slda"):
            continue
        searched = {norm for norm, _ in rates}
        norm = config.norm.name if config.norm.name in searched else NEIGHBOURS.get(config.norm.name, "bn")
        strategy = NEIGHBOURS.get(config.strategy.name, config.strategy.name)
        assert config.train.lr == rates[norm, strategy], f"{config.norm} {config.strategy}"


def test_the_search_is_on_a_seed_that_no_comparison_has():
    searched = set(read_search(FOLDER / "tune.yaml", STARTED).seeds)
    assert not searched & {config.seed for file in FILES if file.stem != "tune" for config in read(file)}


def test_every_cell_of_the_main_comparison_is_tuned():
    def cells(configs):
        return {(config.norm.short, config.strategy.short) for config in configs}

    assert cells(read(FOLDER / "main.yaml")) == cells(read(FOLDER / "tune.yaml"))


def test_the_images_differ_in_norm_and_forward_pass_alone():
    files = sorted((FOLDER / "images").glob("*.yaml"))
    assert [file.stem for file in files] == ["joint", "separate", "tune_joint", "tune_separate"]
    searched = (
        "norm",
        "seed",
        "out",
        "train.lr",
        "train.forward",
        "train.experiences",
        "data.validation",
        "keep_model",
    )
    found = {}
    for file in files:
        search = file.stem.startswith("tune_")
        for config in read_search(file, {}).cells if search else read_sweep(file, {}):
            values = {key: str(value) for key, value in list_values(config).items() if key not in searched}
            assert values == found.setdefault("all", values), file.name
            assert config.train.forward == file.stem.removeprefix("tune_")
