"""Runs of all kinds hold: what real runs leave, and what counts in an id and lies elsewhere."""

from dataclasses import replace
from pathlib import Path

import pytest

import clnorm
from benchmarks.made import keep_run
from clnorm.files import cache_dir
from clnorm.results.record import read_record
from clnorm.submission.check import check_submission
from clnorm.submission.findings import State
from tests.config.tunings import TUNING
from tests.submission.forging import rewrite


def unchecked(folder):
    """The checks that could not be made of the one run in a folder, with the reasons; nothing is wrong with it."""
    (run,) = check_submission(folder).runs
    assert run.state is not State.WRONG, run.findings
    return {finding.check: finding.error.what for finding in run.findings}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "cn", "strategy": "replay:per_class=1"},
        {"norm": "bn:eval=batch", "strategy": "joint", "eval__unseen": True},
        {"norm": "bn_task"},
        {"protocol": "task-incremental:experiences=2", "norm": "bn_task", "eval__every": 1, "eval__cka": True},
        {"protocol": "domain-incremental:experiences=2", "strategy": "cumulative", "eval__plasticity": True},
        {"protocol": "blurry:experiences=2,share=0.25", "eval__nearest": "all"},
        {"protocol": "vclimb:experiences=3", "strategy": "icarl:per_class=1", "train__experiences": 2},
        {"data__validation": 0.5, "strategy": "cumulative", "eval__unseen": True},
    ],
)
def test_what_clnorm_run_leaves_holds(tiny, tmp_path, changes):
    clnorm.run(tiny(keep_model=False, train__epochs=1, **changes))
    assert [finding for part in check_submission(tmp_path / "runs").parts for finding in part.findings] == []


@pytest.mark.slow
def test_a_folder_of_videos_whose_options_are_automatic(tiny, tmp_path):
    from clnorm.data.synthetic.reader import read

    root = Path(read(None, classes=4, train=4, test=2).root)
    assert root.is_relative_to(cache_dir())
    record = clnorm.run(tiny(dataset="folder", data__root=str(root / "videos"), keep_model=False, train__epochs=1))
    assert "auto" in record.config["dataset"]
    assert "auto" not in (tmp_path / "runs" / record.run / "config.yaml").read_text().partition("dataset:")[2][:80]
    assert unchecked(tmp_path / "runs") == {"clips": "whether these are the clips of folder, which takes its files"}


def test_weights_count_by_the_hash_that_the_record_has(tmp_path, faults):
    (tmp_path / "weights").write_bytes(b"some weights")
    run = keep_run(tmp_path / "runs", model__weights=str(tmp_path / "weights"))
    (tmp_path / "weights").unlink()
    assert unchecked(tmp_path / "runs") == {}
    rewrite(run, weights={"sha256": "0" * 64})
    assert [place for _, place in faults(tmp_path / "runs")] == ["id"]
    rewrite(run, weights={})
    told = f"the content of {tmp_path}/weights counts in it, whose hash the record does not hold"
    assert unchecked(tmp_path / "runs") == {"id": told}


def test_a_file_that_a_record_names_is_not_opened(tmp_path):
    names = read_record(keep_run(tmp_path / "first") / "record.json").classes
    file = tmp_path / "classes.txt"
    file.write_text(f"{names[0]}, {names[1]}\n{names[2]}, {names[3]}\n")
    run = keep_run(tmp_path / "runs", protocol=f"list:file={file}")
    file.unlink()
    told = unchecked(tmp_path / "runs")
    assert told.keys() == {"id", "protocol", "predictions"}
    assert f"the file {file}, which no submission holds" in told["protocol"]
    record, kept = read_record(run / "record.json"), (run / "config.yaml").read_text()
    for path in ("/dev/zero", "/dev/stdin"):  # reading these would never end
        text = f"list:file={path}"
        rewrite(run, config={**record.config, "protocol": text}, names={**record.names, "protocol": text})
        (run / "config.yaml").write_text(kept.replace(str(file), path))
        assert unchecked(tmp_path / "runs").keys() == {"id", "protocol", "predictions"}


def test_tuned_values_are_those_of_the_file_beside(tmp_path, faults):
    file = tmp_path / "found.yaml"
    file.write_bytes(TUNING.to_yaml())
    run = keep_run(tmp_path / "runs", norm="bn", strategy="ewc", tuned=str(file))
    file.unlink()
    assert read_record(run / "record.json").config["train"]["lr"] == 0.002
    assert unchecked(tmp_path / "runs") == {}
    other = replace(TUNING, cells=[{**TUNING.cells[1], "values": {"train.lr": 0.005, "ewc.lam": 1.0}}])
    (run / "tuned.yaml").write_bytes(other.to_yaml())
    (message,) = faults(tmp_path / "runs")[run.name, "config"]
    assert "0.002 is given, and 0.005 is tuned" in message
    (run / "tuned.yaml").unlink()
    assert "tuned.yaml: is not there" in faults(tmp_path / "runs")[run.name, "config"][0]
