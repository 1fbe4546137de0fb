"""The loggers of other packages: stand-ins that record how they are called; TensorBoard's own reader for its files."""

import os
import sys
from types import ModuleType, SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import clnorm
from clnorm.catalogue import LOGGERS
from clnorm.loggers.logger import Stream


class Calls:
    """A module's or a run's stand-in, which writes down what is called on it."""

    def __init__(self):
        self.made = []

    def record(self, name, result=None):
        def call(*given, **named):
            self.made.append((name, given, named))
            return result

        return call

    def of(self, name):
        return [(given, named) for called, given, named in self.made if called == name]


@pytest.fixture
def stream(tmp_path):
    return Stream("run-1", tmp_path, {"norm": "<b>cn</b>", "train.lr": 0.1, "tuned": None})


@pytest.fixture
def wandb(monkeypatch):
    calls, module = Calls(), ModuleType("wandb")
    names = ("define_metric", "log", "finish")
    run = SimpleNamespace(url="https://there", **{name: calls.record(name) for name in names})
    run.summary = SimpleNamespace(update=calls.record("summary"))
    module.init, module.Settings = calls.record("init", run), calls.record("Settings", "settings")
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_ERROR_REPORTING", raising=False)
    return calls


@pytest.fixture
def trackio(monkeypatch):
    calls, module = Calls(), ModuleType("trackio")
    run = SimpleNamespace(log=calls.record("log"), finish=calls.record("finish"))
    module.init = calls.record("init", run)
    monkeypatch.setitem(sys.modules, "trackio", module)
    return calls


@pytest.mark.parametrize(
    ("option", "variable", "mode"),
    [
        ("wandb", None, "offline"),
        ("wandb", "online", "online"),
        ("wandb", "disabled", "disabled"),
        ("wandb:mode=offline", "online", "offline"),
        ("wandb:mode=online", None, "online"),
    ],
)
def test_wandb_sends_nothing_that_was_not_asked_for(wandb, stream, monkeypatch, option, variable, mode):
    if variable:
        monkeypatch.setenv("WANDB_MODE", variable)
    place = LOGGERS.parse(option).build(stream).open()
    ((_, given),) = wandb.of("init")
    assert given["mode"] == mode
    assert ("wandb sync" in place) == (mode == "offline")
    assert os.environ.get("WANDB_ERROR_REPORTING") == (None if mode == "online" else "false")
    ((_, settings),) = wandb.of("Settings")
    assert settings.items() >= {"console": "off", "disable_code": True, "disable_git": True}.items()


def test_wandb_goes_on_in_the_same_run_and_takes_steps_in_any_order(wandb, stream):
    logger = LOGGERS.parse("wandb:project=mine").build(stream)
    logger.open()
    ((_, given),) = wandb.of("init")
    assert (given["project"], given["id"], given["resume"]) == ("mine", "run-1", "allow")
    assert given["config"] == stream.config
    assert given["dir"] == str(stream.folder)
    assert (("*",), {"step_metric": "step"}) in wandb.of("define_metric")
    logger.log({"test/accuracy": 0.5}, step=4)
    logger.finish({"accuracy": 0.25})
    logger.close()
    assert wandb.of("log") == [(({"test/accuracy": 0.5, "step": 4},), {})]
    assert wandb.of("summary") == [(({"metrics/accuracy": 0.25},), {})]
    assert len(wandb.of("finish")) == 1


def test_trackio_goes_on_in_the_same_run_and_looks_at_nothing_else(trackio, stream):
    logger = LOGGERS.parse("trackio:project=mine").build(stream)
    assert logger.open() == "trackio show --project mine"
    ((_, given),) = trackio.of("init")
    assert (given["project"], given["name"], given["resume"]) == ("mine", "run-1", "allow")
    assert given["config"] == stream.config
    assert {given["embed"], given["auto_log_cpu"], given["auto_log_gpu"]} == {False}
    logger.log({"train/loss": 0.5}, step=3)
    logger.finish({"accuracy": 0.25})
    logger.close()
    assert trackio.of("log") == [(({"train/loss": 0.5},), {"step": 3}), (({"metrics/accuracy": 0.25},), {})]
    assert len(trackio.of("finish")) == 1


def read_events(folder):
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return events


@pytest.mark.slow
def test_tensorboards_files_hold_the_run(tiny, folder_of):
    config = tiny(log="tensorboard")
    record = clnorm.run(config)
    events = read_events(folder_of(config, record))
    steps = {event.step: event.value for event in events.Scalars("test/experience_1")}
    assert steps == {2: pytest.approx(record.matrix[0][0]), 4: pytest.approx(record.matrix[1][0])}
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4]
    assert events.Scalars("metrics/accuracy")[0].value == pytest.approx(record.metrics["accuracy"])


def test_tensorboard_has_the_configuration_as_hyper_parameters_and_two_parts_are_one_stream(stream):
    for step in (1, 2):  # a run that was stopped and goes on
        logger = LOGGERS.parse("tensorboard").build(stream)
        assert str(stream.folder.parent) in logger.open()
        logger.log({"train/loss": 1 / step}, step=step)
        if step == 2:
            logger.finish({"accuracy": 0.25})
        logger.close()
    events = read_events(stream.folder)
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 1.0), (2, 0.5)]
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"<b>cn</b>" in content
    assert b"train.lr" in content
