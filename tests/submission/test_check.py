"""Each way in which a submission may not be what it says is caught, and a true one is not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from benchmarks.made import keep_run
from clnorm.cli.main import main
from clnorm.results.folder import RunFolder, read_frame, write_frame
from clnorm.results.measure import measure
from clnorm.results.record import read_record
from clnorm.submission.across import check_copies
from clnorm.submission.check import CHECKS, TOGETHER, check_submission, find_faults
from clnorm.submission.findings import State
from tests.submission.forging import checks_of, predictions_of, rewrite, run_of

EVIL = "<script>alert(1)</script>"


def test_what_a_run_leaves_holds(runs, faults):
    report = check_submission(runs)
    assert {part.state for part in report.parts} == {State.HOLDS}
    assert [part.checks for part in report.parts] == [tuple(CHECKS)] * 4 + [tuple(TOGETHER)]
    assert faults(runs) == {}


def test_what_a_check_stumbles_over_is_a_fault():
    def stumble(subject):
        yield from subject["absent"]

    (finding,) = find_faults({"names": stumble}, {})
    assert finding.check == "names"
    assert finding.error.what == "holds something that no run writes (KeyError: 'absent')"


def test_a_forged_matrix(runs, faults):
    run = run_of(runs)
    record = read_record(run / "record.json")
    matrix = [[1.0, None], [1.0, 1.0]]
    rewrite(run, matrix=matrix)
    found = faults(runs)
    assert checks_of(found, run) == {"matrix", "metrics"}  # `forged` metrics, too: they were of the true matrix
    (message, other) = found[run.name, "matrix"]
    old = record.matrix[0][0]
    assert message.startswith(f"record.json: matrix[1, 1] is 1.0, and {old} by predictions.parquet; matrix[2, 1]")
    assert other.startswith("matrix.csv: is not the matrix of record.json")


def test_a_matrix_that_differs_in_the_last_bit(runs, faults):
    run = run_of(runs)
    matrix = [list(row) for row in read_record(run / "record.json").matrix]
    matrix[1][1] = float(np.nextafter(matrix[1][1], 2))
    RunFolder(run).write("matrix.csv", "")
    rewrite(run, matrix=matrix)
    assert checks_of(faults(runs), run) == {"matrix"}


def test_a_forged_matrix_csv(runs, faults):
    run = run_of(runs)
    text = (run / "matrix.csv").read_text()
    (run / "matrix.csv").write_text(text.replace("experience_1", "experience_9"))
    assert checks_of(faults(runs), run) == {"matrix"}


def test_a_forged_metric(runs, faults):
    run = run_of(runs)
    metrics = read_record(run / "record.json").metrics
    rewrite(run, metrics={**metrics, "accuracy": 0.99})
    (message,) = faults(runs)[run.name, "metrics"]
    assert message.startswith(
        f"record.json: metrics.accuracy is 0.99, and what the run keeps gives {metrics['accuracy']}"
    )


def test_a_metric_without_what_it_is_computed_from(runs, faults):
    run = run_of(runs)
    rewrite(run, metrics={**read_record(run / "record.json").metrics, "minimum_accuracy": 0.9})
    (message,) = faults(runs)[run.name, "metrics"]
    assert "gives none: it keeps no steps.parquet" in message


def test_a_count_of_clips_that_would_weigh_otherwise(runs, faults):
    run = run_of(runs)
    data = read_record(run / "record.json").data
    rewrite(run, data={**data, "test_clips": [6, 60]})
    assert {"matrix", "protocol", "metrics"} >= checks_of(faults(runs), run) >= {"matrix", "protocol"}


def test_predictions_of_another_run(runs, faults):
    run, other = run_of(runs), run_of(runs, "cn")
    shutil.copy(other / "predictions.parquet", run)
    assert checks_of(faults(runs), run) >= {"matrix"}
    assert ("all runs", "copies") in faults(runs)


def test_all_numbers_of_another_seed(runs, faults):
    """The record says what its predictions give, and they are of clips that this seed tests later."""
    run, other = run_of(runs), run_of(runs, seed=1)
    shutil.copy(other / "predictions.parquet", run)
    frame = predictions_of(run)
    record = measure(replace(read_record(run / "record.json"), metrics={}, matrix=[]), frame, run)
    RunFolder(run).write_results(record, frame)
    found = faults(runs)
    assert checks_of(found, run) == {"predictions"}
    assert any("those of" in message for message in found["all runs", "copies"])


def test_a_changed_configuration(runs, faults):
    run = run_of(runs)
    config = read_record(run / "record.json").config
    rewrite(run, config={**config, "train": {**config["train"], "epochs": 50}})
    found = faults(runs)
    assert checks_of(found, run) == {"config", "id"}
    assert found[run.name, "config"][0].startswith("config.yaml: train.epochs is 2, and 50 in record.json")
    assert [message.split(" is ")[0] for message in found[run.name, "id"]] == [
        "record.json: setting",
        "record.json: run",
    ]


def test_a_changed_config_yaml(runs, faults):
    run = run_of(runs)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["train"]["lr"] = 0.5
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert checks_of(faults(runs), run) == {"config"}


def test_a_configuration_changed_in_both_files(runs, faults):
    run = run_of(runs)
    config = read_record(run / "record.json").config
    changed = {**config, "train": {**config["train"], "epochs": 50}}
    (run / "config.yaml").write_text(yaml.safe_dump(changed))
    rewrite(run, config=changed)
    assert checks_of(faults(runs), run) == {"id"}


def test_swapped_seeds(runs, faults):
    one, two = run_of(runs, seed=0), run_of(runs, seed=1)
    for run, seed in ((one, 1), (two, 0)):
        record = read_record(run / "record.json")
        rewrite(run, seed=seed, config={**record.config, "seed": seed})
    for run in (one, two):
        assert checks_of(faults(runs), run) >= {"config", "id", "protocol", "predictions"}


def test_swapped_folders(runs, faults):
    one, two = run_of(runs, seed=0), run_of(runs, seed=1)
    one.rename(runs / "between")
    two.rename(one)
    (runs / "between").rename(two)
    assert {check for _, check in faults(runs)} == {"id"}


@pytest.mark.parametrize("text", [EVIL, "a\x1b[2Jb", "a\u202eb"])
@pytest.mark.parametrize("place", ["class", "name", "version"])
def test_a_record_with_markup_or_codes(runs, faults, text, place, capsys):
    run = run_of(runs)
    record = read_record(run / "record.json")
    changes = {
        "class": {"classes": [text, *record.classes[1:]]},
        "name": {"names": {**record.names, "norm": text}},
        "version": {"versions": {"clnorm": text}},
    }
    rewrite(run, **changes[place])
    assert "texts" in checks_of(faults(runs), run)
    assert main(["submit", "--check", str(runs)]) == 1
    captured = capsys.readouterr()
    assert not {"\x1b", "\u202e"} & {*captured.out, *captured.err}


def test_a_label_that_is_hidden(tmp_path, faults):
    run = keep_run(tmp_path / "runs", norm="bn:eval=batch")
    assert faults(tmp_path / "runs") == {}
    rewrite(run, label="")
    (message,) = faults(tmp_path / "runs")[run.name, "label"]
    assert "label is none" in message
    assert "legal: label 'transductive'" in message


def test_other_classes_than_the_seed_draws(runs, faults):
    run = run_of(runs)
    rewrite(run, experiences=read_record(run / "record.json").experiences[::-1])
    found = faults(runs)
    assert "protocol" in checks_of(found, run)
    assert "experiences differ from experience 1 on" in found[run.name, "protocol"][0]


@pytest.mark.parametrize("column", ["label", "path", "split"])
def test_clips_that_are_not_those_of_the_dataset(runs, faults, column):
    """The fingerprint is that of the clips, so that the dataset alone gives them away."""
    run = run_of(runs)
    frame = read_frame(run / "clips.parquet", hint="")
    frame[column] = frame[column].to_list()[::-1]
    write_frame(run / "clips.parquet", frame)
    found = faults(runs)
    assert any("data.fingerprint is" in message for message in found[run.name, "clips"])
    assert any("is not what synthetic:" in message for message in found[run.name, "clips"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.iloc[1:], "it is not of the test clips"),
        (lambda f: f.assign(label=(f["label"] + 1) % 4, predicted=(f["predicted"] + 1) % 4), "other labels"),
        (lambda f: f.assign(predicted=f["predicted"].where(f["after"] > 0, 99)), "were not trained then"),
        (lambda f: f.assign(rank=1), "ranks a class first that it does not predict"),
        (lambda f: f.assign(confidence=2.0), "no shares"),
        (lambda f: f[f["after"] == 1], "after steps [1]"),
        (lambda f: f.assign(rank=0.0), "no whole numbers"),
    ],
)
def test_predictions_that_no_run_makes(runs, faults, change, said):
    run = run_of(runs)
    write_frame(run / "predictions.parquet", change(predictions_of(run)))
    assert said in "\n".join(faults(runs)[run.name, "predictions"])


def test_a_prediction_of_a_class_that_comes_later(runs, faults):
    run = run_of(runs)
    later = read_record(run / "record.json").experiences[1][0]
    frame = predictions_of(run)
    frame.loc[0, ["predicted", "rank"]] = later, 1
    write_frame(run / "predictions.parquet", frame)
    assert "predicts classes that were not trained then" in faults(runs)[run.name, "predictions"][0]


def test_seeds_that_are_not_in_pairs(runs, faults):
    shutil.rmtree(run_of(runs, "cn", seed=1))
    (message,) = faults(runs)["all runs", "seeds"]
    assert "strategy naive: cn has no run of seed 1; legal: seeds 0, 1 for each norm" in message


def test_a_run_that_stands_twice(runs, faults):
    shutil.copytree(run_of(runs), runs / "again" / run_of(runs).name)
    assert "bn has several runs of seed 0" in faults(runs)["all runs", "seeds"][0]


def test_the_command_says_what_was_checked(runs, capsys):
    assert main(["submit", "--check", str(runs)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{run_of(runs).name}: holds"
    assert out[-2] == f"checked: {', '.join([*CHECKS, *TOGETHER])}"
    assert out[-1] == "4 runs: 4 hold"
    rewrite(run_of(runs), seed=7)
    assert main(["submit", "--check", str(runs), "--json"]) == 1
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["runs"][0]["checks"]["names"] == "wrong"
    assert (told["together"]["state"], told["rerun"]) == ("wrong", None)  # its seed has no partner
    (seed,) = [found for found in told["runs"][0]["findings"] if found["what"].startswith("seed is 7")]
    assert seed == {
        "check": "names",
        "state": "wrong",
        "what": "seed is 7, and 0 in the configuration",
        "where": "record.json",
        "legal": "0",
        "next": "bring back the file that the run wrote, or make the run again",
    }
    assert captured.err.startswith("error: ")


@pytest.mark.slow
def test_it_loads_no_torch(runs, packages_loaded):
    assert not {"torch", "avalanche", "matplotlib"} & packages_loaded("submit", "--check", str(runs))


@pytest.mark.parametrize(
    ("norm", "matrix", "copied"),
    [
        ("bn_frozen", [[0.5, 0.5]], False),
        ("bn_frozen:source=pretrained", [[0.5, 0.5]], True),
        ("bn_frozen", [[0.5, None], [0.5, 0.5]], True),
        ("ln", [[0.5, 0.5]], True),
    ],
)
def test_norms_that_are_one_in_a_single_experience_may_agree(norm, matrix, copied):
    def run(name):
        record = SimpleNamespace(names={"norm": name}, seed=0, matrix=matrix)
        return SimpleNamespace(folder=Path(name), digest="the same", record=record)

    assert bool(list(check_copies([run("bn"), run(norm)]))) == copied
