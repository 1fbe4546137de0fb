"""What the tests of sweeps share."""

import pytest

from clnorm.launch.plan import plan_sweep
from clnorm.progress import Reporter
from clnorm.results.folder import RunFolder
from tests.launch.slurm_commands import commands  # noqa: F401 - a fixture


@pytest.fixture
def plan(tiny):
    """Plans a sweep over tiny runs, one for each mapping of changes."""
    return lambda *changes: plan_sweep([tiny(**each) for each in changes], reporter=Reporter())


@pytest.fixture
def finish(monkeypatch):
    """Takes the place of a run: the norm of each cell is noted, and what is told for it happens."""

    def install(**happenings):
        done = []

        def run(config, *, reporter):
            happening = happenings.get(config.norm.name)
            done.append(config.norm.name)
            if happening is not None:
                happening()
            return config.norm.name

        monkeypatch.setattr("clnorm.launch.worker.run", run)
        monkeypatch.setattr("clnorm.launch.worker.time.sleep", lambda seconds: done.append("pause"))
        return done

    return install


@pytest.fixture
def write_record():
    """Writes a finished record into the folder of a cell, without a run."""
    from tests.results.records import FINISHED

    def write(cell):
        folder = RunFolder(cell.folder.path)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write("record.json", FINISHED.to_json())

    return write
