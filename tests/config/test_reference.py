"""The configurations of the reference: one regime in all of them."""

from pathlib import Path

import pytest

from clnorm.launch.grid import read_sweep
from clnorm.tuning.search_file import read_search

FOLDER = Path(__file__).parents[2] / "configs" / "reference"
STARTED = {"model.weights": "vit_tiny.safetensors"}
FILES = sorted(FOLDER.glob("*.yaml"))


def read(file):
    if "search:" in file.read_text(encoding="utf-8"):
        return read_search(file, STARTED).cells
    return read_sweep(file, STARTED)


def regime(config):
    """What all runs of the reference share: data, backbone, and training but for what is tuned or compared."""
    compared = {"lr", "epochs", "forward"}
    training = {name: value for name, value in vars(config.train).items() if name not in compared}
    return str(config.backbone), config.data, config.model, training


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_has_the_regime(file):
    expected = regime(read(FOLDER / "regime.yaml")[0])
    assert expected[3]["keep_frozen"]
    for config in read(file):
        assert regime(config) == expected, f"{file.name}: {config.norm} {config.strategy}"


def test_the_search_is_on_a_seed_that_no_comparison_has():
    searched = set(read_search(FOLDER / "tune.yaml", STARTED).seeds)
    assert not searched & {config.seed for file in FILES if file.stem != "tune" for config in read(file)}


def test_every_cell_of_the_main_comparison_is_tuned():
    def cells(configs):
        return {(config.norm.short, config.strategy.short) for config in configs}

    assert cells(read(FOLDER / "main.yaml")) == cells(read(FOLDER / "tune.yaml"))
