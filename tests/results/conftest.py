"""What tests of results share."""

import pytest

from tests.results.kept import keep_run


@pytest.fixture
def run(tmp_path):
    """The folder of a finished run."""
    keep_run(tmp_path / "run")
    return tmp_path / "run"
