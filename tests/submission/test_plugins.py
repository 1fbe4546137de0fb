"""Plug-ins in what somebody submits: allowed by name, and never imported by a check."""

import sys

import pytest

from benchmarks.made import keep_run
from clnorm.cli.main import main
from clnorm.submission.check import check_submission
from clnorm.submission.findings import State

NORM = """
from clnorm.norms import LayerNorm

class MyNorm(LayerNorm):
    pass
"""


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A run with a plug-in as its norm, whose module ends the process that imports it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "submittednorm.py").write_text(NORM)
    keep_run(tmp_path / "runs", norm="submittednorm:MyNorm")
    del sys.modules["submittednorm"]
    (tmp_path / "submittednorm.py").write_text("raise SystemExit('imported')")
    return tmp_path / "runs"


def test_a_plugin_is_named_and_never_imported(runs, capsys):
    (run,) = check_submission(runs).runs
    assert "submittednorm" not in sys.modules
    assert {check for check in run.checks if run.state_of(check) is State.NOT_CHECKED} == {
        "config",
        "names",
        "id",
        "label",
    }
    assert run.state is State.NOT_CHECKED
    assert main(["submit", "--check", str(runs)]) == 0
    out = capsys.readouterr().out
    assert "id: not checked: config: norm is a plug-in, which a check never imports" in out
    assert out.endswith("1 run: 1 hold as far as could be checked\n")


def test_the_setting_of_a_plugin_is_checked_all_the_same(runs, faults):
    from dataclasses import replace

    from clnorm.results.folder import RunFolder
    from clnorm.results.record import read_record

    (run,) = runs.iterdir()
    record = read_record(run / "record.json")
    config = {**record.config, "train": {**record.config["train"], "epochs": 50}}
    RunFolder(run).write("record.json", replace(record, config=config).to_json())
    (message,) = faults(runs)[run.name, "id"]
    assert message.startswith("record.json: setting is ")


def test_a_plugin_is_made_again_only_where_it_is_allowed(runs, capsys):
    (run,) = runs.iterdir()
    assert main(["submit", "--check", str(runs), "--rerun", run.name]) == 2
    assert "names the plug-in 'submittednorm:MyNorm', which is not imported" in capsys.readouterr().err
    assert "submittednorm" not in sys.modules
    assert main(["submit", "--check", str(runs), "--allow-plugin", "submittednorm:MyNorm"]) == 2
    assert "--allow-plugin: does nothing without --rerun" in capsys.readouterr().err
