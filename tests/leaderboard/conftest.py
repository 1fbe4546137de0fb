"""What tests of leaderboards share."""

import shutil

import pytest

from benchmarks.made import keep_run


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Three norms with three seeds each, which no test changes: cn is surely the best."""
    folder = tmp_path_factory.mktemp("records")
    for norm, right in (("bn", 0.1), ("cn", 1.0), ("ln", 0.1)):
        for seed in range(3):
            keep_run(folder / "part", norm=norm, seed=seed, right=right, dataset="synthetic:classes=4,train=4,test=20")
    return folder


@pytest.fixture
def records(made, tmp_path):
    return shutil.copytree(made, tmp_path / "records")
