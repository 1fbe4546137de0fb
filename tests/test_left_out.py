"""Real clips and skips, as conftest.py rules them: what a fork leaves out, and what is a failure."""

from importlib.metadata import version
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.fixture(scope="session")
def clips(shared_data):
    return sorted((shared_data / "weights").iterdir())

def test_of_clips(clips):
    assert clips

def test_of_none():
    pass
"""
OTHER_SKIP = """
import pytest

def test_of_another_system():
    pytest.skip("not here")
"""
WHOLE_FILE = """
import pytest

pytest.importorskip("no_such_module")

def test_of_it():
    pass
"""


@pytest.fixture
def fork(pytester, monkeypatch):
    """Runs tests in a checkout without real clips, `tests/conftest.py` being this one; in CI unless said otherwise."""
    tests = pytester.mkdir("checkout") / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tests / "test_it.py").write_text(TESTS)
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers\nmarkers =\n  real_data: needs clips\n  slurm: needs a cluster\n"
        "  latex: needs pdflatex\n  browser: needs Chromium\n  golden: needs a version\n"
    )
    monkeypatch.setenv("CI", "true")
    required = [f"CLNORM_REQUIRE_{part}" for part in ("DATA", "SLURM", "LATEX", "BROWSER")]
    for name in ("CLNORM_TEST_DATA", *required, "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, more="", **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if more:
            (tests / "test_more.py").write_text(more)
        return pytester.runpytest("checkout", "-rs", "-p", "no:cacheprovider", *arguments)

    return run


def write_clips(folder):
    for name in ("data/hmdb21", "data/hmdb51_splits", "data/originals", "weights"):
        (folder / name).mkdir(parents=True)
        (folder / name / "one").write_text("")


WORKERS = pytest.mark.parametrize(
    "workers", [(), pytest.param(("-n", "1"), marks=pytest.mark.slow)], ids=["one process", "a worker"]
)


@WORKERS
def test_a_fork_passes_and_names_what_it_left_out(fork, workers):
    result = fork(*workers)
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == 0
    left_out = "1 tests were left out, real_data: there are no real clips in *"
    result.stdout.fnmatch_lines([left_out, "SKIPPED*test_it.py*real_data*"])


@pytest.mark.parametrize("asked", ["CLNORM_REQUIRE_DATA", "CLNORM_TEST_DATA"])
def test_missing_clips_are_a_failure_where_they_are_asked_for(fork, pytester, asked):
    result = fork(**{asked: {"CLNORM_REQUIRE_DATA": "1"}.get(asked, str(pytester.path / "elsewhere"))})
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*no data/hmdb21, data/hmdb51_splits, data/originals, weights in *"])


def test_clips_beside_the_checkout_are_used(fork, pytester):
    write_clips(pytester.path / "shared")
    fork(CLNORM_REQUIRE_DATA="1").assert_outcomes(passed=2)


def test_an_empty_folder_of_clips_is_a_missing_one(fork, pytester):
    write_clips(pytester.path / "shared")
    (pytester.path / "shared" / "weights" / "one").unlink()
    fork(CLNORM_REQUIRE_DATA="1").assert_outcomes(passed=1, errors=1)


def test_the_mark_comes_with_the_fixture(fork):
    fork("-m", "not real_data").assert_outcomes(passed=1, deselected=1)


OF_SLURM = """
import pytest

@pytest.fixture
def cluster():
    pass

def test_of_slurm(cluster):
    pass
"""


def test_without_slurm_its_tests_are_left_out_unless_they_are_asked_for(fork, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    result = fork(more=OF_SLURM)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["1 tests were left out, slurm: no cluster can be started here*make slurm*"])
    assert result.ret == 0
    fork("-m", "slurm", CLNORM_REQUIRE_SLURM="1").assert_outcomes(passed=1, deselected=2)


OF_LATEX = """
def test_of_latex(pdflatex):
    pass
"""


def test_without_latex_its_tests_are_left_out_unless_they_are_asked_for(fork, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = fork(more=OF_LATEX)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["1 tests were left out, latex: there is no pdflatex here*make latex*"])
    fork("-m", "latex", CLNORM_REQUIRE_LATEX="1").assert_outcomes(errors=1, deselected=2)


OF_PICTURES = OF_SLURM.replace("cluster", "golden_versions")


def test_with_another_matplotlib_pictures_of_figures_are_left_out(fork, pytester):
    constraints = pytester.path / "checkout" / "constraints.txt"
    constraints.write_text("matplotlib==3.0.0\n")
    result = fork(more=OF_PICTURES)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["1 tests were left out, golden: another version of matplotlib *"])
    assert result.ret == 0
    constraints.write_text(f"numpy==1\nmatplotlib=={version('matplotlib')}\n")
    fork("-m", "golden").assert_outcomes(passed=1, deselected=2)


OF_PAGES = OF_SLURM.replace("cluster", "browser")


def test_without_chromium_its_tests_are_left_out_unless_they_are_asked_for(fork, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = fork(more=OF_PAGES)
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["1 tests were left out, browser: there is no Chromium here*make browser*"])
    assert result.ret == 0
    fork("-m", "browser", CLNORM_REQUIRE_BROWSER="1").assert_outcomes(passed=1, deselected=2)


@WORKERS
@pytest.mark.parametrize("more", [OTHER_SKIP, WHOLE_FILE], ids=["a test", "a file"])
def test_any_other_skip_is_a_failure_in_continuous_integration(fork, more, workers):
    assert fork(*workers, more=more).ret != 0


@pytest.mark.parametrize("more", [OTHER_SKIP, WHOLE_FILE], ids=["a test", "a file"])
def test_elsewhere_a_skip_is_none(fork, monkeypatch, more):
    monkeypatch.delenv("CI")
    assert fork(more=more).ret == 0
