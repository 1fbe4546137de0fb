"""What tests of figures share."""

import pytest

from tests.figures.drawn import keep_runs


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    """Runs that keep all that a figure is drawn from."""
    root = tmp_path_factory.mktemp("figures") / "runs"
    keep_runs(root)
    return root


@pytest.fixture
def golden_versions():
    """The versions are those that the golden pictures were made with. Whatever uses it is marked `golden`."""
