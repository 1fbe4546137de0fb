"""What the tests of loggers share."""

import json
from pathlib import Path

import pytest

import clnorm

RECORDER = "tests.loggers.recorder:Recorder"


@pytest.fixture
def folder_of():
    def find(config, record):
        return Path(config.out) / record.run

    return find


@pytest.fixture
def recorded():
    """All events that the recorder has had of the runs of a configuration."""

    def read(config):
        return [json.loads(line) for line in (Path(config.out) / "recorded.jsonl").read_text().splitlines()]

    return read


@pytest.fixture
def run_plain(tiny, tmp_path):
    """The same run without a logger, in a folder of its own."""

    def run(**options):
        config = tiny(**options, out=str(tmp_path / "plain"))
        return config, clnorm.run(config)

    return run
