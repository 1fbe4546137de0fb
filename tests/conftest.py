"""Fixtures that several test files share, and the rule that a skip is a failure in continuous integration."""

import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

from clnorm.training.avalanche import import_in_parts

# As runs do: before a test file imports Avalanche, all of which takes ten seconds and a warning of JAXopt's.
import_in_parts()

# How long an example takes depends on what else the machine does, so that no test may fail by it.
hypothesis.settings.register_profile("clnorm", deadline=None)
hypothesis.settings.load_profile("clnorm")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips, official splits and weights, where they are: $CLNORM_TEST_DATA, or `shared` beside the checkout."""
    default = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("CLNORM_TEST_DATA", default))
    if not (folder / "data" / "hmdb21").is_dir():
        pytest.skip(f"no test data in {folder}; set CLNORM_TEST_DATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory):
    """A cache of the test run's own, so that tests neither read nor fill the user's."""
    previous = os.environ.get("CLNORM_CACHE")
    os.environ["CLNORM_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("CLNORM_CACHE")
    if previous is not None:
        os.environ["CLNORM_CACHE"] = previous


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter.stats.get("skipped"):
        reporter.write_line("a skipped test is a failure here", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


TINY = {
    "dataset": "synthetic:classes=4,train=4,test=2",
    "protocol": "even:experiences=2",
    "data.frames": 4,
    "data.image_size": 16,
    "train.epochs": 2,
    "train.batch_size": 4,
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
