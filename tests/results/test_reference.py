"""The committed records: a command still finds its finished run, and their tables and figures are what they were."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clnorm import load_results
from clnorm.cli.main import main
from clnorm.config.config import Config
from clnorm.config.identity import setting_id
from clnorm.config.load import load_config
from clnorm.launch.grid import read_sweep
from clnorm.results.folder import run_name
from clnorm.results.record import read_record
from clnorm.submission.check import check_submission

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
WRITTEN = {"LOG.md", "PROTOCOL.md", "README.md"}
"""What is no table, though its name ends like one."""
EARLIER = sorted((Path(__file__).parent / "earlier").iterdir())
"""Runs of earlier versions: records of the first layouts, and configurations without keys that came later."""
SWEEPS = {"synthetic": ("norms", "strategies"), "synthetic_known_tasks": ("strategies_known_tasks",)}


@pytest.mark.parametrize("folder", EARLIER, ids=lambda folder: folder.name)
def test_a_run_of_an_earlier_version_is_the_one_that_its_configuration_names(folder):
    record, config = read_record(folder / "record.json"), load_config(folder / "config.yaml")
    data = record.data["fingerprint"]
    assert folder.name == record.run == run_name(config, data=data)
    assert record.setting == setting_id(config, data=data)
    # Keys and options that came later have the defaults by which runs were made before.
    recorded = Config(**{**record.config, "data": {**record.config["data"], "clips": config.data.clips}})
    assert recorded == config


@pytest.mark.parametrize(("ending", "format_"), [("md", "markdown"), ("tex", "latex")])
def test_their_table_is_what_it_was(ending, format_, capsys):
    assert main(["table", str(EARLIER[0].parent), "--format", format_]) == 0
    kept = ROOT / "tests" / "tables" / "golden" / f"earlier.{ending}"
    assert capsys.readouterr().out == kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", SWEEPS)
def test_the_sweeps_that_made_reference_runs_find_each_of_them(folder):
    runs = sorted(file.parent for file in (RESULTS / folder).glob("*/record.json"))
    (fingerprint,) = {read_record(run / "record.json").data["fingerprint"] for run in runs}
    configs = [config for name in SWEEPS[folder] for config in read_sweep(ROOT / "configs" / f"{name}.yaml", {})]
    assert sorted({run_name(config, data=fingerprint) for config in configs}) == [run.name for run in runs]


def test_the_runs_of_the_reference_are_of_its_grid():
    folder = RESULTS / "reference"
    given = {"tuned": str(folder / "tune" / "tuned.yaml"), "model.weights": "weights.safetensors"}
    configs = read_sweep(ROOT / "configs" / "reference" / "main.yaml", given)
    records = [read_record(file) for file in (folder / "main").glob("*/record.json")]
    ((fingerprint, weights),) = {(record.data["fingerprint"], record.weights["sha256"]) for record in records}
    grid = {run_name(config, data=fingerprint, weights=weights) for config in configs}
    assert len(grid) == 100
    assert {record.run for record in records} <= grid
    report = check_submission(folder / "main")
    # Of all runs together, seeds are lacking as long as the grid is not complete, and nothing else is wrong.
    assert {name for name in report.wrong if name != report.together.name} == set()
    assert {finding.check for finding in report.together.findings} <= ({"seeds"} if len(records) < len(grid) else set())


@pytest.fixture(scope="module")
def made_again(tmp_path_factory):
    """A copy of the results whose tables and figures were deleted, and made again as `make results` does."""
    folder = shutil.copytree(RESULTS, tmp_path_factory.mktemp("again") / "results")
    for file in find_made(folder):
        file.unlink()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([folder / "make.sh"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return folder


def find_made(folder):
    """The tables and figures beside the runs of a reference result."""
    return sorted(
        file for file in folder.rglob("*") if file.suffix in (".md", ".tex", ".png") and file.name not in WRITTEN
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", [str(file.relative_to(RESULTS)) for file in find_made(RESULTS)])
def test_a_committed_table_or_figure_is_made_again_byte_for_byte(name, made_again):
    assert (made_again / name).read_bytes() == (RESULTS / name).read_bytes()


@pytest.mark.slow
def test_nothing_else_is_made(made_again):
    found = [[file.relative_to(folder) for file in find_made(folder)] for folder in (made_again, RESULTS)]
    assert found[0] == found[1]


def test_the_readmes_table_is_that_of_the_records(capsys):
    strategies = ("naive", "ewc", "replay", "joint")
    chosen = [word for name in strategies for word in ("--where", f"strategy={name}")]
    assert main(["table", str(RESULTS / "synthetic"), *chosen, "--format", "markdown"]) == 0
    table, _, _ = capsys.readouterr().out.partition("\n\n")
    assert table in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_caption_has_the_short_name_beside_all_keys_of_the_configuration():
    results = load_results(RESULTS / "hmdb21", columns=["config"])
    assert set(results["data.augment"]) == {"light"}
    assert set(results["train.epochs"]) == {5}


@pytest.mark.parametrize(("folder", "runs"), [("synthetic", 150), ("synthetic_known_tasks", 25), ("hmdb21", 15)])
def test_contributed_checks_hold_for_the_committed_runs(folder, runs):
    report = check_submission(RESULTS / folder)
    assert not report.wrong
    assert len(report.runs) == runs
