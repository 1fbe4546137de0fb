"""What all tests share: threads, real clips and who may do without them, a cache, and tiny runs.

Without real clips the tests marked `real_data` are left out by name, without Slurm those marked `slurm`, without
LaTeX those marked `latex`, without Chromium those marked `browser`, and with another version of matplotlib those marked
`golden`. Any other skip is a failure where `CI` is set.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

# Before torch is imported, here and in the processes that tests start: workers do not fight for the cores, and sums
# are not split otherwise on a machine with more of them.
os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis
import pytest

from clnorm.progress import Reporter
from clnorm.training.avalanche import import_in_parts

# As runs do: before a test file imports Avalanche, all of which takes ten seconds and a warning of JAXopt's.
import_in_parts()

# How long an example takes depends on what else the machine does, so that no test may fail by it.
hypothesis.settings.register_profile("clnorm", deadline=None)
hypothesis.settings.load_profile("clnorm")

SHARED = Path(os.environ.get("CLNORM_TEST_DATA") or Path(__file__).parents[2] / "shared")
REQUIRED = bool(os.environ.get("CLNORM_TEST_DATA")) or os.environ.get("CLNORM_REQUIRE_DATA") == "1"
LEFT_OUT = f"real_data: there are no real clips in {SHARED}"
NO_SLURM = "slurm: no cluster can be started here, which takes root, and what make slurm installs"
NO_LATEX = "latex: there is no pdflatex here, which make latex installs"
NO_BROWSER = "browser: there is no Chromium here, which make browser installs"
OTHER_PICTURES = "golden: another version of matplotlib than that in constraints.txt draws other letters"


def _missing_data() -> list[str]:
    """The folders of `SHARED` that are not there, or empty."""
    needed = ("data/hmdb21", "data/hmdb51_splits", "data/originals", "weights")
    return [name for name in needed if not (SHARED / name).is_dir() or not any((SHARED / name).iterdir())]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips, official splits and weights: $CLNORM_TEST_DATA, or `shared` beside the checkout.

    Whatever uses it is marked `real_data`.
    """
    if missing := _missing_data():
        pytest.fail(f"no {', '.join(missing)} in {SHARED}, which CLNORM_TEST_DATA or CLNORM_REQUIRE_DATA=1 asks for")
    return SHARED


@pytest.fixture(scope="session")
def pdflatex() -> None:
    """pdflatex is here. Whatever uses it is marked `latex`."""
    assert shutil.which("pdflatex"), "no pdflatex, which CLNORM_REQUIRE_LATEX=1 asks for"


def _is_slurm_missing() -> bool:
    """Whether the tests with a Slurm cluster of their own are left out."""
    daemons = ("munged", "slurmctld", "slurmd")
    found = [shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") for name in daemons]
    return (None in found or os.geteuid() != 0) and os.environ.get("CLNORM_REQUIRE_SLURM") != "1"


def _is_latex_missing() -> bool:
    return shutil.which("pdflatex") is None and os.environ.get("CLNORM_REQUIRE_LATEX") != "1"


def _is_browser_missing() -> bool:
    """Whether the tests that open pages are left out."""
    return shutil.which("chromium") is None and os.environ.get("CLNORM_REQUIRE_BROWSER") != "1"


def _is_matplotlib_another() -> bool:
    """Whether figures cannot be compared with their pictures."""
    constraints = Path(__file__).parents[1] / "constraints.txt"
    tested = constraints.read_text() if constraints.is_file() else ""
    return re.findall(r"(?m)^matplotlib==(\S+)", tested) != [version("matplotlib")]


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    left_out = {
        "real_data": ("shared_data", LEFT_OUT if _missing_data() and not REQUIRED else ""),
        "slurm": ("cluster", NO_SLURM if _is_slurm_missing() else ""),
        "latex": ("pdflatex", NO_LATEX if _is_latex_missing() else ""),
        "browser": ("browser", NO_BROWSER if _is_browser_missing() else ""),
        "golden": ("golden_versions", OTHER_PICTURES if _is_matplotlib_another() else ""),
    }
    for item in items:
        for mark, (fixture, reason) in left_out.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)
                if reason:
                    item.add_marker(pytest.mark.skip(reason=reason))


def pytest_xdist_auto_num_workers() -> int:
    """One worker for each core that this process may use, and no more than memory holds: each imports torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 8)


def _is_left_out(report: pytest.TestReport | pytest.CollectReport) -> bool:
    reasons = [f"Skipped: {reason}" for reason in (LEFT_OUT, NO_SLURM, NO_LATEX, NO_BROWSER, OTHER_PICTURES)]
    return isinstance(report.longrepr, tuple) and report.longrepr[2] in reasons


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """A file that skips itself is a failure too; pytest-xdist would not tell of it."""
    report = yield
    if os.environ.get("CI") and report.skipped:
        report.outcome = "failed"
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of pytest-xdist
        return
    left_out, others = [], []
    for report in reporter.stats.get("skipped", []):
        (left_out if _is_left_out(report) else others).append(report)
    for reason, count in Counter(report.longrepr[2].removeprefix("Skipped: ") for report in left_out).items():
        reporter.write_line(f"\n{count} tests were left out, {reason}; CONTRIBUTING.md says how to get them")
    if os.environ.get("CI") and others:
        names = ", ".join(report.nodeid for report in others)
        reporter.write_line(f"\na skipped test is a failure here: {names}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory):
    """A cache of the test run's own, so that tests neither read nor fill the user's."""
    previous = os.environ.get("CLNORM_CACHE")
    os.environ["CLNORM_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("CLNORM_CACHE")
    if previous is not None:
        os.environ["CLNORM_CACHE"] = previous


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's path of the test's own: the command line adds the current folder, which no other test is to find."""
    monkeypatch.setattr(sys, "path", [*sys.path])


class Notes(Reporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def notes() -> Notes:
    return Notes()


TINY = {
    "dataset": "synthetic:classes=4,train=4,test=2",
    "protocol": "even:experiences=2",
    "data.frames": 4,
    "data.image_size": 16,
    "train.epochs": 2,
    "train.batch_size": 4,
    "save.prefixes": "none",
}


@pytest.fixture
def tiny(tmp_path):
    """Builds configurations of a run that takes about a second: four classes, two experiences, runs in `tmp_path`."""

    def build(**changes):
        from clnorm.config.load import merge_config

        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        return merge_config({}, {**TINY, "out": str(tmp_path / "runs"), **dotted})

    return build


@pytest.fixture
def build_setup(tiny):
    """Builds a `Setup` on the CPU; `backend` is what compiles the model where `execution` says so."""

    def build(*, execution=None, backend="eager", **changes):
        import torch

        from clnorm.data.augment.presets import create_augmentation
        from clnorm.data.store.store import ClipStore
        from clnorm.data.synthetic.reader import read
        from clnorm.execution.execution import Execution, prepare_model
        from clnorm.models.create import create_model
        from clnorm.progress import Reporter
        from clnorm.streams.stream import create_stream
        from clnorm.training.setup import Setup

        config = tiny(**changes)
        table = read(None, **config.dataset.kwargs)
        data = config.data
        store = ClipStore.open(table, frames=data.frames, size=data.image_size, keep=data.keep)
        stream = create_stream(table, config.protocol, seed=config.seed, bad={})
        sizes = {"image_size": config.data.image_size, "num_frames": config.data.frames}
        sizes["unswapped_blocks"] = config.unswapped_blocks
        model = create_model(config.backbone, norm=config.norm, num_classes=stream.num_classes, **sizes)
        augment = create_augmentation(config.data.augment, table.classes)
        execution = execution or Execution()
        prepare_model(model, config.train, execution, backend=backend)
        device, log = torch.device("cpu"), lambda record: None
        return Setup(config, model, store, stream, device, Reporter(), log, execution, augment)

    return build


@pytest.fixture
def packages_loaded():
    """Runs a command in a process of its own, which must succeed, and gives the packages that it loaded."""
    code = (
        "import sys; from clnorm.cli.main import main\n"
        "try: failed = main(sys.argv[1:])\n"
        "except SystemExit as end: failed = end.code\n"
        "sys.exit(failed or '|' + '|'.join(sys.modules))"
    )

    def run(*arguments):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        before, separator, names = done.stderr.partition("|")
        assert separator, before
        return {name.partition(".")[0] for name in names.strip().split("|")}

    return run
