"""What tests of submissions share."""

import shutil

import pytest

from benchmarks.made import keep_run
from clnorm.submission.check import check_submission
from clnorm.submission.findings import State


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A submission of two norms with two seeds each, which no test changes."""
    folder = tmp_path_factory.mktemp("made")
    for norm in ("bn", "cn"):
        for seed in range(2):
            keep_run(folder, norm=norm, seed=seed)
    return folder


@pytest.fixture
def runs(tmp_path, made):
    """A copy of it."""
    return shutil.copytree(made, tmp_path / "runs")


@pytest.fixture
def faults():
    """What is wrong in a submission: by run and check, the messages."""

    def find(folder):
        found = {}
        for report in check_submission(folder).parts:
            for finding in report.findings:
                if finding.state is State.WRONG:
                    found.setdefault((report.name, finding.check), []).append(str(finding.error))
        return found

    return find
