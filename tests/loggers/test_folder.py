"""Whole runs with a logger: it gets everything once, and changes nothing, whatever it does."""

import json
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import clnorm
from clnorm.config.identity import list_values, run_id, setting_id
from clnorm.errors import ClnormError, UserError
from clnorm.loggers.folder import LoggedFolder
from clnorm.loggers.sent import SENT_FILE, Sent
from clnorm.progress import Reporter
from clnorm.results.folder import UnwrittenFolder
from tests.training.states.kills import run_killed

RECORDER = "tests.loggers.recorder:Recorder"


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def by_name(events, name):
    return {event["step"]: event["values"][name] for event in events if name in event.get("values", {})}


def test_where_a_run_is_logged_is_no_part_of_its_identity(tiny):
    plain, logged = tiny(), tiny(log="wandb:mode=online,project=other")
    assert run_id(plain) == run_id(logged)
    assert setting_id(plain) == setting_id(logged)
    assert logged.to_dict()["log"] == "wandb:mode=online,project=other"


@pytest.mark.slow
def test_all_of_a_run_is_logged_and_nothing_of_it_changed(tiny, notes, recorded, run_plain, folder_of, capsys):
    options = {"strategy": "replay:per_class=2", "train__balanced_epochs": 1, "eval__unseen": True}
    config = tiny(log=RECORDER, **options)
    record = clnorm.run(config, reporter=notes)
    events, folder = recorded(config), folder_of(config, record)
    assert [event["event"] for event in events if event["event"] != "log"] == ["open", "finish", "close"]
    assert events[0]["config"] == list_values(config)
    assert events[0]["name"].startswith(f"{record.run}-")
    steps = {3 * line["experience"] + line["epoch"]: line["loss"] for line in log_of(folder)}
    assert by_name(events, "train/loss") == steps
    assert sorted(steps) == [1, 2, 4, 5, 6], "fine-tuning follows from the second experience on"
    assert by_name(events, "test/experience_1") == {3: record.matrix[0][0], 6: record.matrix[1][0]}
    assert by_name(events, "test/accuracy") == {3: record.matrix[0][0], 6: record.metrics["accuracy"]}
    assert by_name(events, "test/forgetting") == {6: record.metrics["forgetting"]}
    assert events[-2]["metrics"] == {name: value for name, value in record.metrics.items() if value is not None}
    assert any("to see it: less" in text for text in notes.texts)
    assert capsys.readouterr().out == "", "stdout is the command's"
    plain, other = run_plain(**options)
    assert other.run == record.run
    assert other.matrix == record.matrix
    for name in ("predictions.parquet", "model.safetensors"):
        assert (folder / name).read_bytes() == (folder_of(plain, other) / name).read_bytes()
    assert not (folder_of(plain, other) / SENT_FILE).exists()


@pytest.mark.slow
def test_joint_training_has_seen_all(tiny, recorded):
    config = tiny(log=RECORDER, strategy="joint", train__epochs=1)
    record = clnorm.run(config)
    assert by_name(recorded(config), "test/accuracy") == {1: pytest.approx(record.metrics["accuracy"])}


@pytest.mark.slow
def test_a_logger_that_fails_is_told_once_and_the_run_goes_on(tiny, notes, recorded, run_plain, folder_of):
    config = tiny(log=f"{RECORDER}:fail_at=2")
    record = clnorm.run(config, reporter=notes)
    assert record.status == "finished"
    told = [text for text in notes.texts if "the line is dead" in text]
    assert len(told) == 1
    assert "ConnectionError" in told[0]
    assert [event["event"] for event in recorded(config)] == ["open", "log"], "it hears no more, not even the end"
    folder = folder_of(config, record)
    kept = json.loads((folder / SENT_FILE).read_text())
    assert kept["failed"] == "ConnectionError: the line is dead"
    assert len(log_of(folder)) == 4
    plain, other = run_plain()
    assert other.matrix == record.matrix
    ours, theirs = (pd.read_parquet(each / "predictions.parquet") for each in (folder, folder_of(plain, other)))
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [{"before": 1}, {"after": 1}])
def test_a_run_that_goes_on_is_the_same_stream_with_every_number_once(tiny, recorded, monkeypatch, kill, folder_of):
    config = tiny(log=RECORDER, save__every_epochs=1)
    run_killed(config, monkeypatch, **kill)
    begun = len(recorded(config))
    record = clnorm.run(config)
    events = recorded(config)
    assert begun < len(events)
    names = {event["name"] for event in events if event["event"] == "open"}
    assert len(names) == 1
    sent = Counter((name, event["step"]) for event in events for name in event.get("values", {}))
    assert set(sent.values()) == {1}
    assert by_name(events, "train/loss") == {
        2 * line["experience"] + line["epoch"]: line["loss"] for line in log_of(folder_of(config, record))
    }
    assert sorted(by_name(events, "test/accuracy")) == [2, 4]


@pytest.mark.slow
def test_another_logger_gets_what_was_before_it_and_a_deleted_run_is_another_stream(tiny, recorded, monkeypatch):
    run_killed(tiny(), monkeypatch, after=0)
    config = tiny(log=RECORDER)
    record = clnorm.run(config)
    assert sorted(by_name(recorded(config), "train/loss")) == [1, 2, 3, 4]
    assert sorted(by_name(recorded(config), "test/accuracy")) == [2, 4]
    for file in (Path(config.out) / record.run).glob("*"):
        file.unlink()
    clnorm.run(config)
    assert len({event["name"] for event in recorded(config) if event["event"] == "open"}) == 2


@pytest.mark.slow
def test_a_logger_that_cannot_begin_is_an_error_before_anything_is_trained(tiny):
    config = tiny(log=f"{RECORDER}:begins=false")
    with pytest.raises(ClnormError, match=r"cannot begin \(RuntimeError: nobody is at home\).*--set log=none"):
        clnorm.run(config)
    assert clnorm.load_results(config.out)["status"].tolist() == ["unfinished"]
    assert not list(Path(config.out).glob("*/log.jsonl"))


@pytest.mark.parametrize("name", ["tensorboard", "trackio", "wandb"])
def test_a_missing_package_names_its_extra_and_leaves_no_folder(tiny, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    config = tiny(log=name)
    with pytest.raises(UserError, match=rf"log {name}: needs a package.*pip install 'clnorm\[{name}\]'.*log=none"):
        clnorm.run(config)
    assert not list(Path(config.out).iterdir())


def test_what_is_no_logger_is_refused(tiny, tmp_path):
    with pytest.raises(UserError, match=r"has made a NoLogger, and must make a Logger"):
        LoggedFolder(tmp_path, tiny(log="tests.loggers.recorder:NoLogger"), Reporter())


def test_a_damaged_list_of_what_was_sent_is_an_error(tmp_path):
    file = tmp_path / SENT_FILE
    file.write_text('{"to": "wandb", "numbers": 3}')
    with pytest.raises(ClnormError, match=r"logged.json: is damaged .*delete it"):
        Sent(file, to="wandb")
    file.write_text('["wandb"]')
    with pytest.raises(ClnormError, match="is damaged"):
        Sent(file, to="wandb")


def test_a_process_that_leaves_writing_to_the_first_logs_nothing(tmp_path):
    with UnwrittenFolder(tmp_path / "run").followed(None):
        assert not list(tmp_path.iterdir())
