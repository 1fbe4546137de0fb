"""What the tests of searches share: a file of one, and runs that take no time."""

from dataclasses import replace

import pytest
import yaml

from clnorm.data.open import read_table
from clnorm.errors import ClnormError
from clnorm.experiment import find_folder
from clnorm.progress import Reporter
from tests.conftest import TINY
from tests.results.records import FINISHED


@pytest.fixture
def write_search(tmp_path):
    """Writes a search of learning rate and penalty for two norms and strategies; `changes` are keys of the file."""

    def write(**changes):
        content = {
            "config": {"out": str(tmp_path / "tune"), "train": {"epochs": 2}},
            "grid": {"norm": ["bn", "cn"], "strategy": ["naive", "ewc"]},
            "search": {
                "train.lr": {"low": 1e-4, "high": 1e-2, "log": True},
                "ewc.lam": {"low": 1, "high": 1000, "log": True},
            },
            "trials": 4,
            **changes,
        }
        file = tmp_path / "search.yaml"
        file.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
        return file

    return write


@pytest.fixture
def sizes():
    """What makes the runs of a search tiny."""
    return {key: value for key, value in TINY.items() if key != "train.epochs"}


@pytest.fixture
def score(monkeypatch):
    """Takes the place of a run: its accuracy is what a function of its configuration says, and None is a failure."""

    def install(function, *, metrics=lambda config: {}):
        done = []

        def run(config, *, reporter):
            done.append(config)
            if (value := function(config)) is None:
                raise ClnormError("the loss is nan")
            folder = find_folder(config, read_table(config, Reporter()))
            folder.path.mkdir(parents=True)
            found = {"accuracy": value, **metrics(config)}
            made = replace(FINISHED, run=folder.path.name, config=config.to_dict(), metrics=found)
            folder.write("record.json", made.to_json())

        monkeypatch.setattr("clnorm.launch.worker.run", run)
        return done

    return install
