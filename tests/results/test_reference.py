"""The committed records: a command still finds its finished run, and their tables are what they were."""

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
FOLDER = ROOT / "results" / "synthetic_cn"
RUNS = sorted(file.parent for file in FOLDER.rglob("record.json"))


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_a_reference_run_is_the_one_that_its_configuration_names(folder):
    record, config = read_record(folder / "record.json"), load_config(folder / "config.yaml")
    data = record.data["fingerprint"]
    assert folder.name == record.run == run_name(config, data=data)
    assert record.setting == setting_id(config, data=data)
    # Keys and options that came later have the defaults by which runs were made before.
    recorded = Config(**{**record.config, "data": {**record.config["data"], "clips": config.data.clips}})
    assert recorded == config


def test_the_sweep_that_made_them_finds_each_of_them():
    data = {read_record(folder / "record.json").data["fingerprint"] for folder in RUNS}
    (fingerprint,) = data
    configs = read_sweep(ROOT / "configs" / "reference_cn.yaml", {})
    assert sorted(run_name(config, data=fingerprint) for config in configs) == [folder.name for folder in RUNS]


TABLES = {
    "synthetic_cn": [],
    "synthetic_strategies": [
        *("--rows", "strategy", "--cols", "norm", "--versus", "naive"),
        *("--metrics", "accuracy,average_incremental_accuracy,forgetting"),
    ],
    "hmdb21_strategies": ["--metrics", "accuracy,average_incremental_accuracy,forgetting,learning_accuracy"],
}


@pytest.mark.parametrize("folder", TABLES)
@pytest.mark.parametrize(("name", "format_"), [("table.md", "markdown"), ("table.tex", "latex")])
def test_their_table_is_the_committed_one(folder, name, format_, capsys):
    assert main(["table", str(ROOT / "results" / folder), *TABLES[folder], "--format", format_]) == 0
    assert capsys.readouterr().out == (ROOT / "results" / folder / name).read_text(encoding="utf-8")


def test_all_committed_tables_are_compared():
    assert {file.parent.name for file in (ROOT / "results").glob("*/table.md")} == set(TABLES)


def test_a_caption_has_the_short_name_beside_all_keys_of_the_configuration():
    results = load_results(ROOT / "results" / "hmdb21_strategies", columns=["config"])
    assert set(results["data.augment"]) == {"light"}
    assert set(results["train.epochs"]) == {5}


@pytest.mark.parametrize("folder", ["synthetic_strategies", "hmdb21_strategies"])
def test_contributed_checks_hold_for_the_committed_runs(folder):
    report = check_submission(ROOT / "results" / folder)
    assert not report.wrong
    assert len(report.runs) == {"synthetic_strategies": 90, "hmdb21_strategies": 15}[folder]
